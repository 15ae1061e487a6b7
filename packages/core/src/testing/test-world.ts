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
  /**
   * In place of the one in memory: an empty one on a server, to see that services do there what they do in memory. No virtual
   * time passes while a call of it is under way; its `now()` is the time of the server. The world closes it.
   */
  readonly database?: Database;
}

/** All that services need from outside, in memory and in virtual time. Pass its parts to what is tested. */
export interface TestWorld extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** In memory; with the world's clock. */
  readonly broker: Broker;
  /** In memory and empty, with the world's clock; or the one that was given. */
  readonly database: Database;
  readonly telemetry: MemoryTelemetry;
  /** As {@link VirtualClock.advance}. */
  readonly advance: VirtualClock['advance'];
  /** As {@link VirtualClock.runUntil}. */
  readonly runUntil: VirtualClock['runUntil'];
}

let openDefault: (() => Promise<Database>) | undefined;

/** What worlds that are given no database get from now on. For the set-up of our own test runs alone, so not in the index. */
export function setDefaultDatabase(open: () => Promise<Database>): void {
  openDefault = open;
}

/** Keeps virtual time from passing while a call is under way. */
function holdingTime(database: Database, { hold }: VirtualClock): Database {
  return {
    ...database,
    transaction: (...given) => hold(database.transaction(...given)),
    query: <R>(...given: Parameters<Database['query']>) => hold(database.query<R>(...given)),
    now: (options) => hold(database.now(options)),
    migrate: (migrations, mode) => hold(database.migrate(migrations, mode)),
    ping: () => hold(database.ping()),
    close: () => hold(database.close()),
  };
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
  const remote = options.database ?? (await openDefault?.());
  const broker = await createEmbeddedBroker({ clock });
  const database = remote === undefined ? await createSqliteDatabase({ path: ':memory:', clock }) : holdingTime(remote, clock);
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
