import { describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { backoffMs } from './backoff.ts';
import { createConsumer } from './consumer.ts';
import { consumerProperties } from './delivery.ts';
import { contents, limitedTo, nameOf, send, steps, within } from './test-support.ts';

describe('retry in the lane', () => {
  it('keeps the order of a key while a message is tried again; other keys go on', async () => {
    await using world = await createTestWorld();
    const log: string[] = [];
    let failures = 2;
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async (step, { delivery }) => {
        log.push(`${nameOf(step)}#${delivery.attempt}`);
        if (nameOf(step) === 'a1' && failures-- > 0) throw new Error('not now');
      },
    });
    await send(world, 'a1 a2 b1 b2');
    await world.advance({ seconds: 10 });
    expect(log).toEqual(['a1#1', 'b1#1', 'b2#1', 'a1#2', 'a1#3', 'a2#1']);
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
  });

  it('sends a message to the dead-letter topic after its last attempt, then goes on with its key', async () => {
    await using world = await createTestWorld();
    const log: string[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { attempts: 3 },
      handler: async (step) => {
        log.push(nameOf(step));
        if (step.n === 1) throw new Error('never');
      },
    });
    await send(world, 'a1 a2');
    const sent = (await contents(world, 'steps', 'other')).map((message) => message.payload);
    await world.advance({ seconds: 10 });
    await consumer.close();
    expect(log).toEqual(['a1', 'a1', 'a1', 'a2']);
    const [dead, ...others] = await contents(world, 'steps-test-dlq');
    expect(others).toEqual([]);
    expect(dead?.payload).toEqual(sent[0]);
    expect(dead?.properties).toMatchObject({
      [consumerProperties.reason]: 'UNEXPECTED',
      [consumerProperties.message]: 'never',
      [consumerProperties.attempts]: '3',
    });
    expect(dead?.properties['paystream-event-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each(['INVALID_ARGUMENT', 'NOT_FOUND', 'FAILED_PRECONDITION', 'ALREADY_EXISTS', 'UNSUPPORTED', 'DATA_LOSS'] as const)(
    'does not try again what fails with %s',
    async (code) => {
      await using world = await createTestWorld();
      let calls = 0;
      const consumer = await createConsumer(world.broker, steps, {
        ...within(world),
        handler: async () => {
          calls += 1;
          throw new PaystreamError(code, 'hopeless', { reason: 'HOPELESS' });
        },
      });
      await send(world, 'a1');
      await world.advance({ minutes: 1 });
      await consumer.close();
      expect(calls).toBe(1);
      expect(await contents(world, 'steps-test-dlq')).toMatchObject([{ properties: { [consumerProperties.reason]: 'HOPELESS' } }]);
    },
  );

  it.each([
    ['PaystreamError', () => new PaystreamError('CANCELED', 'gave up', { reason: 'GAVE_UP' }), 'GAVE_UP'],
    ['AbortError', () => new DOMException('gave up', 'AbortError'), 'ABORTED_BY_CALLER'],
  ])('does not try for ever what a handler cancels by itself (%s)', async (_, canceled, reason) => {
    await using world = await createTestWorld();
    let calls = 0;
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { attempts: 3 },
      handler: async () => {
        calls += 1;
        throw canceled();
      },
    });
    await send(world, 'a1');
    await world.advance({ minutes: 1 });
    await consumer.close();
    expect(calls).toBe(3);
    expect(await contents(world, 'steps-test-dlq')).toMatchObject([{ properties: { [consumerProperties.reason]: reason } }]);
  });

  it('tries again what fails with INTERNAL, or with anything that says it may succeed', async () => {
    await using world = await createTestWorld();
    const errors = [
      new PaystreamError('INTERNAL', 'a bug', { reason: 'BUG' }),
      new PaystreamError('FAILED_PRECONDITION', 'not yet', { reason: 'NOT_YET', retryable: true }),
      new PaystreamError('ABORTED', 'lost', { reason: 'DEADLOCK' }),
    ];
    const attempts: number[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async (_, { delivery }) => {
        attempts.push(delivery.attempt);
        const error = errors.shift();
        if (error !== undefined) throw error;
      },
    });
    await send(world, 'a1');
    await world.advance({ minutes: 1 });
    await consumer.close();
    // Having lost against another is no attempt.
    expect(attempts).toEqual([1, 2, 3, 3]);
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
  });

  it('waits twice as long each time, up to the longest wait', () => {
    const policy = { delayMs: 100, maxDelayMs: 1_000 };
    const waits = (next: number): number[] => [1, 2, 3, 4, 5, 500].map((n) => backoffMs(policy, n, { next: () => next, fill: (b) => b }));
    expect(waits(0)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(waits(0.999_999)).toEqual([51, 101, 201, 401, 501, 501]);
  });

  it('counts what the broker knows of earlier deliveries', async () => {
    await using world = await createTestWorld();
    await send(world, 'a1');
    const before = await world.broker.subscribe({ topic: 'steps', subscription: 'test', type: 'key-shared', initialPosition: 'earliest' });
    before.negativeAcknowledge(await before.receive(1), 1);
    await world.advance(10);
    await before.close();
    const attempts: number[] = [];
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async (_step, { delivery }) => void attempts.push(delivery.attempt),
    });
    await world.clock.settle();
    expect(attempts[0]).toBeGreaterThanOrEqual(2);
  });
});

describe('retry by topic', () => {
  it('lets others of the key overtake, keeps the event id, counts attempts across re-publishing', async () => {
    await using world = await createTestWorld();
    const log: string[] = [];
    const ids = new Set<string>();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { mode: 'topic', attempts: 3, delayMs: 1_000 },
      handler: async (step, { delivery }) => {
        log.push(`${nameOf(step)}#${delivery.attempt}`);
        if (step.n !== 1) return;
        ids.add(delivery.eventId);
        throw new Error('again');
      },
    });
    const producer = await world.broker.createProducer({ topic: 'steps' });
    await producer.send({ payload: new TextEncoder().encode('{"key":"a","n":1}'), key: 'a', properties: { mine: 'kept' } });
    await send(world, 'a2');
    await world.clock.settle();
    expect(log).toEqual(['a1#1', 'a2#1']);
    await world.advance({ seconds: 30 });
    await consumer.close();
    expect(log).toEqual(['a1#1', 'a2#1', 'a1#2', 'a1#3']);
    expect(ids.size).toBe(1);
    expect(await contents(world, 'steps-test-dlq')).toMatchObject([
      { key: 'a', properties: { mine: 'kept', [consumerProperties.attempts]: '3', [consumerProperties.topic]: 'steps' } },
    ]);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
    expect(await contents(world, 'steps-test-retry', 'test')).toEqual([]);
  });

  it('tries one again that leaves no room for its attempts on a topic of retries, and gives it up after its last', async () => {
    await using world = await createTestWorld();
    const largest = 10_000;
    const log: string[] = [];
    const consumer = await createConsumer(limitedTo(largest, world.broker), steps, {
      ...within(world),
      retry: { mode: 'topic', attempts: 3, delayMs: 1_000 },
      handler: async (step, { delivery }) => {
        log.push(`${nameOf(step)}#${delivery.attempt}`);
        if (step.n === 1) throw new Error('again');
      },
    });
    const producer = await world.broker.createProducer({ topic: 'steps' });
    const payload = new TextEncoder().encode('{"key":"a","n":1}'.padEnd(largest));
    await producer.send({ payload, key: 'a' });
    await send(world, 'b2');
    await world.clock.settle();
    expect(log).toEqual(['a1#1', 'b2#1']);
    await world.advance({ seconds: 30 });
    await consumer.close();
    expect(log).toEqual(['a1#1', 'b2#1', 'a1#2', 'a1#3']);
    expect((await contents(world, 'steps-test-dlq')).map(({ key }) => key)).toEqual(['a']);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
    expect(await contents(world, 'steps-test-retry', 'test')).toEqual([]);
  });
});
