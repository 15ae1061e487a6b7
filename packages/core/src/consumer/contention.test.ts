import { describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { silentLogger } from '../logger/port.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createConsumer } from './consumer.ts';
import { consumerProperties } from './delivery.ts';
import { contents, nameOf, send, steps, within } from './test-support.ts';

const locked = (): PaystreamError => new PaystreamError('ABORTED', 'another transaction holds the row', { reason: 'LOCK_TIMEOUT' });

describe('a row that somebody holds locked', () => {
  it.each(['in-lane', 'topic'] as const)('for most of an hour costs no event an attempt, and others go on: mode %s', async (mode) => {
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
    await world.advance({ minutes: 29 });
    expect(handled).toEqual(['b1#1', 'b2#1']);
    expect(consumer.status).toMatchObject({ state: 'running', postponed: 1 });
    // At most 30 s apart once it has waited for a while, and not more often.
    expect(calls).toBeGreaterThan(118);
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
    await world.advance({ minutes: 50 });
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

  it.each(['in-lane', 'topic'] as const)(
    'is no reason to starve others for ever: after maxPostponedMs attempts count, mode %s',
    async (mode) => {
      await using world = await createTestWorld();
      const handled: string[] = [];
      const consumer = await createConsumer(world.broker, steps, {
        ...within(world),
        maxInFlight: 5,
        retry: { mode, attempts: 3 },
        handler: async (step) => {
          if (step.key !== 'z') throw locked();
          handled.push(nameOf(step));
        },
      });
      await send(world, 'a1 b1 c1 d1 e1 z1');
      await world.advance({ minutes: 55 });
      // A retry topic has a place of its own.
      const places = mode === 'topic' ? 4 : 5;
      expect(consumer.status).toMatchObject({ state: 'running', postponed: places, inFlight: places });
      expect(handled).toEqual([]);
      await world.advance({ minutes: mode === 'topic' ? 70 : 7 });
      expect(handled).toEqual(['z1']);
      await consumer.close();
      const letters = await contents(world, 'steps-test-dlq');
      expect(letters.map(({ key }) => key).toSorted()).toEqual(['a', 'b', 'c', 'd', 'e']);
      for (const { properties } of letters) {
        expect(properties).toMatchObject({ [consumerProperties.reason]: 'LOCK_TIMEOUT', [consumerProperties.attempts]: '3' });
      }
    },
  );

  it('is told of as an error once it has lasted for a minute', async () => {
    await using world = await createTestWorld();
    const errors: unknown[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      logger: { ...silentLogger, error: (fields) => errors.push(fields) },
      handler: async () => {
        throw locked();
      },
    });
    await send(world, 'a1');
    await world.advance({ seconds: 25 });
    expect(errors).toEqual([]);
    await world.advance({ minutes: 30 });
    expect(errors).toMatchObject([{ key: 'a', err: { reason: 'LOCK_TIMEOUT' } }]);
    await consumer.close();
  });
});

it.each(['ABORTED', 'RESOURCE_EXHAUSTED'] as const)('%s that no wait changes costs attempts, as what is too large does', async (code) => {
  await using world = await createTestWorld();
  let calls = 0;
  const consumer = await createConsumer(world.broker, steps, {
    ...within(world),
    retry: { attempts: 3 },
    handler: async () => {
      calls += 1;
      throw new PaystreamError(code, 'too large', { reason: 'REQUEST_TOO_LARGE', retryable: false });
    },
  });
  await send(world, 'a1');
  await world.advance({ minutes: 1 });
  await consumer.close();
  expect(calls).toBe(3);
  expect(await contents(world, 'steps-test-dlq')).toMatchObject([{ properties: { [consumerProperties.reason]: 'REQUEST_TOO_LARGE' } }]);
});

it('something that has no room now costs no attempt, and is asked at a pace even where retries have none', async () => {
  await using world = await createTestWorld();
  let calls = 0;
  const consumer = await createConsumer(world.broker, steps, {
    ...within(world),
    retry: { attempts: 1, delayMs: 0, maxDelayMs: 0 },
    handler: async () => {
      calls += 1;
      throw new PaystreamError('RESOURCE_EXHAUSTED', 'too much waits already', { reason: 'QUEUE_FULL' });
    },
  });
  await send(world, 'a1');
  await world.advance({ seconds: 10 });
  expect(calls).toBeGreaterThan(50);
  expect(calls).toBeLessThan(210);
  await consumer.close();
  expect(await contents(world, 'steps-test-dlq')).toEqual([]);
});

describe('a topic that a message names to be published to', () => {
  const refused = (reason: string): PaystreamError => new PaystreamError('NOT_FOUND', 'not there', { reason, retryable: true });

  it.each(['TOPIC_NOT_FOUND', 'TOPIC_TERMINATED', 'PULSAR_NOT_AUTHORIZED'])('holds its own key alone while it says %s', async (reason) => {
    await using world = await createTestWorld();
    let there = false;
    const handled: string[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { attempts: 1 },
      handler: async (step, { delivery }) => {
        if (step.key === 'a' && !there) throw refused(reason);
        handled.push(`${nameOf(step)}#${delivery.attempt}`);
      },
    });
    await send(world, 'a1 a2 b1');
    await world.advance({ minutes: 30 });
    expect(consumer.status).toMatchObject({ state: 'running', postponed: 1 });
    expect(handled).toEqual(['b1#1']);
    there = true;
    await world.advance({ seconds: 30 });
    expect(handled).toEqual(['b1#1', 'a1#1', 'a2#1']);
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
  });

  it('is given up after an hour, with its reason', async () => {
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async () => {
        throw refused('TOPIC_NOT_FOUND');
      },
    });
    await send(world, 'a1');
    await world.advance({ minutes: 70 });
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toMatchObject([{ properties: { [consumerProperties.reason]: 'TOPIC_NOT_FOUND' } }]);
  });
});
