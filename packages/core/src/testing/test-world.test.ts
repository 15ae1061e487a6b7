import { describe, expect, it } from 'vitest';
import { createConsumer } from '../consumer/consumer.ts';
import { send, steps, within } from '../consumer/test-support.ts';
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
