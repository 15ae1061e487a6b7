import type { Broker } from '../broker/port.ts';
import { createEmbeddedBroker } from '../embedded/broker/broker.ts';
import { createSqliteDatabase } from '../embedded/database/sqlite-database.ts';
import type { Random } from '../random/port.ts';
import { createSeededRandom } from '../random/seeded-random.ts';
import type { Database } from '../sql/port.ts';
import { createMemoryTelemetry, type MemoryTelemetry } from './memory-telemetry.ts';
import { createVirtualClock, type VirtualClock, type VirtualClockOptions } from './virtual-clock.ts';

/** Options of {@link createTestWorld}. */
export interface TestWorldOptions extends VirtualClockOptions {
  /** The same seed gives the same run. Default: 1. */
  readonly seed?: number;
}

/** All that services need from outside, in memory and in virtual time. Pass its parts to what is tested. */
export interface TestWorld extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** In memory; with the world's clock. */
  readonly broker: Broker;
  /** In memory and empty; with the world's clock. */
  readonly database: Database;
  readonly telemetry: MemoryTelemetry;
  /** As {@link VirtualClock.advance}. */
  readonly advance: VirtualClock['advance'];
  /** As {@link VirtualClock.runUntil}. */
  readonly runUntil: VirtualClock['runUntil'];
}

/**
 * Makes a world to run services in: minutes pass at once, and one seed gives one run.
 *
 * @example
 * await using world = await createTestWorld({ seed: 7 });
 * // ... start services on world.broker, world.database, world.clock, world.random
 * await world.advance({ minutes: 2 });
 */
export async function createTestWorld(options: TestWorldOptions = {}): Promise<TestWorld> {
  const clock = createVirtualClock(options);
  const telemetry = createMemoryTelemetry();
  const broker = await createEmbeddedBroker({ clock });
  const database = await createSqliteDatabase({ path: ':memory:', clock });
  return {
    clock,
    random: createSeededRandom(options.seed ?? 1),
    broker,
    database,
    telemetry,
    advance: clock.advance,
    runUntil: clock.runUntil,
    [Symbol.asyncDispose]: async () => {
      await broker.close();
      await database.close();
    },
  };
}
