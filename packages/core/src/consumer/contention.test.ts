import { describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createConsumer } from './consumer.ts';
import { contents, nameOf, send, steps, within } from './test-support.ts';

const locked = (): PaystreamError => new PaystreamError('ABORTED', 'another transaction holds the row', { reason: 'LOCK_TIMEOUT' });

describe('a row that somebody holds locked', () => {
  it.each(['in-lane', 'topic'] as const)('for an hour costs no event an attempt, and others go on: mode %s', async (mode) => {
    await using world = await createTestWorld();
    let held = true;
    let calls = 0;
    const handled: string[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { mode, attempts: 1 },
      handler: async (step, { delivery }) => {
        if (step.key === 'a' && held) {
          calls += 1;
          throw locked();
        }
        handled.push(`${nameOf(step)}#${delivery.attempt}`);
      },
    });
    await send(world, 'a1 a2 b1');
    await world.advance({ minutes: 30 });
    await send(world, 'b2 a3');
    await world.advance({ minutes: 30 });
    expect(handled).toEqual(['b1#1', 'b2#1']);
    expect(consumer.status.state).toBe('running');
    // At most 30 s apart once it has waited for a while, and not more often.
    expect(calls).toBeGreaterThan(120);
    expect(calls).toBeLessThan(300);
    expect(world.telemetry.gaugeValue('paystream_consumer_postponed')).toBe(1);
    expect(world.telemetry.counter('paystream_consumer_messages_total', { outcome: 'postponed' })).toBe(calls);
    held = false;
    await world.advance({ seconds: 30 });
    expect(handled).toEqual(['b1#1', 'b2#1', 'a1#1', 'a2#1', 'a3#1']);
    expect(world.telemetry.gaugeValue('paystream_consumer_postponed')).toBe(0);
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
  });

  it('holds up no other message of its batch', async () => {
    await using world = await createTestWorld();
    let held = true;
    const handled: string[] = [];
    await send(world, 'a1 b1 c1 a2 d1');
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handleBatch: async (batch) => {
        if (held && batch.some(({ value }) => value.key === 'c')) throw locked();
        handled.push(...batch.map(({ value, attempt }) => `${nameOf(value)}#${attempt}`));
      },
    });
    await world.advance({ hours: 1 });
    expect(handled).toEqual(['a1#1', 'b1#1', 'a2#1', 'd1#1']);
    held = false;
    await world.advance({ seconds: 30 });
    expect(handled.slice(4)).toEqual(['c1#1']);
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
  });

  it('keeps no consumer from stopping: its message comes again', async () => {
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async () => {
        throw locked();
      },
    });
    await send(world, 'a1');
    await world.advance({ minutes: 5 });
    await consumer.close();
    expect(await contents(world, 'steps', 'test')).toHaveLength(1);
    expect(world.telemetry.gaugeValue('paystream_consumer_postponed')).toBe(0);
  });
});

it('something that has no room now costs no attempt, and is asked at a pace even where retries have none', async () => {
  await using world = await createTestWorld();
  let calls = 0;
  const consumer = await createConsumer(world.broker, steps, {
    ...within(world),
    retry: { attempts: 1, delayMs: 0, maxDelayMs: 0 },
    handler: async () => {
      calls += 1;
      throw new PaystreamError('RESOURCE_EXHAUSTED', 'too much waits already', { reason: 'QUEUE_FULL', retryable: false });
    },
  });
  await send(world, 'a1');
  await world.advance({ seconds: 10 });
  expect(calls).toBeGreaterThan(50);
  expect(calls).toBeLessThan(210);
  await consumer.close();
  expect(await contents(world, 'steps-test-dlq')).toEqual([]);
});
