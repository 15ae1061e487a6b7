import { describe, expect, it } from 'vitest';
import { createConsumer } from '../consumer/consumer.ts';
import { send, steps, within } from '../consumer/test-support.ts';
import { createSqliteDatabase } from '../embedded/database/sqlite-database.ts';
import type { Database } from '../sql/port.ts';
import { createMemoryTelemetry } from './memory-telemetry.ts';
import { createTestWorld } from './test-world.ts';

describe('test world', () => {
  it('runs broker, database and consumers in its own time: minutes pass at once', async () => {
    await using world = await createTestWorld({ seed: 7, startMs: 1_000_000 });
    const seen: number[] = [];
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async () => {
        await world.clock.sleep(60_000);
        seen.push(await world.database.now());
      },
    });
    await send(world, 'a1 a2');
    await world.advance({ minutes: 2 });
    expect(seen).toEqual([1_060_000, 1_120_000]);
  });

  it('waits for a database that it is given, without time passing, and closes it', async () => {
    const real = await createSqliteDatabase({ path: ':memory:' });
    const answered: number[] = [];
    const slow: Database = {
      ...real,
      query: async <R>(...given: Parameters<Database['query']>) => {
        for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
        return real.query<R>(...given);
      },
    };
    {
      await using world = await createTestWorld({ database: slow });
      world.clock.setTimer(1_000, () => void world.database.query('SELECT 1').then(() => answered.push(world.clock.monotonic())));
      world.clock.setTimer(1_001, () => undefined);
      await world.advance({ seconds: 2 });
      expect(answered).toEqual([1_000]);
    }
    await expect(real.query('SELECT 1')).rejects.toMatchObject({ reason: 'CLOSED' });
  });

  it('gives one run for one seed', async () => {
    const run = async (seed: number): Promise<readonly string[]> => {
      await using world = await createTestWorld({ seed });
      const log: string[] = [];
      await using _ = await createConsumer(world.broker, steps, {
        ...within(world),
        handler: async (step, { delivery }) => {
          log.push(`${world.clock.monotonic()} ${step.key}${step.n} ${delivery.eventId}`);
          await world.clock.sleep(Math.ceil(world.random.next() * 100));
          if (world.random.next() < 0.5) throw new Error('by chance');
        },
      });
      await send(world, 'a1 b1 a2 c1 b2 a3');
      await world.advance({ minutes: 5 });
      return log;
    };
    expect(await run(7)).toEqual(await run(7));
    expect(await run(7)).not.toEqual(await run(8));
  });
});

describe('memory telemetry', () => {
  it('sums, lists and keeps by name and labels', () => {
    const telemetry = createMemoryTelemetry();
    telemetry.count('orders', { topic: 'a', outcome: 'ok' });
    telemetry.count('orders', { topic: 'b', outcome: 'ok' }, 4);
    telemetry.observe('seconds', { topic: 'a' }, 0.5);
    telemetry.gauge('open', {}, 3);
    telemetry.gauge('open', {}, 2);
    expect([telemetry.counter('orders'), telemetry.counter('orders', { topic: 'b' }), telemetry.counter('orders', { topic: 'c' })]).toEqual(
      [5, 4, 0],
    );
    expect(telemetry.observations('seconds')).toEqual([0.5]);
    expect([telemetry.gaugeValue('open'), telemetry.gaugeValue('closed')]).toEqual([2, undefined]);
  });

  it('makes a span the child of the one that it is given', () => {
    const telemetry = createMemoryTelemetry();
    const parent = telemetry.startSpan('parent');
    const child = telemetry.startSpan('child', { parent });
    child.end(new Error('failed'));
    expect(parent.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(child.traceparent?.split('-')[1]).toBe(parent.traceparent?.split('-')[1]);
    expect(child.traceparent).not.toBe(parent.traceparent);
    expect(telemetry.spans).toMatchObject([{ ended: false }, { ended: true, error: new Error('failed') }]);
  });
});
