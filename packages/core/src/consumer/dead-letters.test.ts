import { describe, expect, it } from 'vitest';
import { deadLetterSubscription } from '../broker/dead-letters.ts';
import type { Broker, BrokerProducerOptions } from '../broker/port.ts';
import { createEmbeddedBroker } from '../embedded/broker/broker.ts';
import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import { silentLogger } from '../logger/port.ts';
import { createProducer } from '../producer/producer.ts';
import { createMemoryTelemetry } from '../testing/memory-telemetry.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createConsumer } from './consumer.ts';
import { createMessageStream } from './stream.ts';
import { limitedTo, steps } from './test-support.ts';

/** How many messages wait for a subscription that somebody made before. */
async function kept(broker: Broker, topic: string, subscription: string): Promise<number> {
  const found = await broker.subscribe({ topic, subscription, type: 'shared', initialPosition: 'latest' });
  const count = await found.backlog();
  await found.close();
  return count;
}

it('what is given up is kept for a subscription of its topic until somebody has read it, though nobody had subscribed', async () => {
  const clock = createVirtualClock();
  // As a broker does that throws away what no subscription asks for.
  await using broker = await createEmbeddedBroker({ clock, retention: { unconsumed: { maxAgeMs: 1_000 } } });
  const handler = async (): Promise<void> => {
    throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
  };
  const consumer = await createConsumer(broker, steps, { subscription: 'one', clock, handler });
  const named = await createConsumer(broker, steps, { subscription: 'two', clock, handler, deadLetterSubscription: 'morgue' });
  const stream = await createMessageStream(broker, steps, { subscription: 'three', clock });
  const producer = await createProducer(broker, steps, { clock });
  await producer.send({ key: 'a', n: 1 });
  const raw = await broker.createProducer({ topic: 'steps' });
  await raw.send({ payload: Uint8Array.of(1) });
  const nobodys = await broker.createProducer({ topic: 'nobodys' });
  await nobodys.send({ payload: Uint8Array.of(1) });
  await clock.settle();
  await Promise.all([consumer.close(), named.close(), stream.close()]);
  await clock.advance({ hours: 48 });
  // Wakes the housekeeping.
  await nobodys.send({ payload: Uint8Array.of(2) });
  await clock.advance({ hours: 1 });
  const reader = await broker.createReader({ topic: 'nobodys', start: 'earliest' });
  expect((await reader.receive(10)).map(({ payload }) => [...payload])).toEqual([[2]]);
  expect(await kept(broker, 'steps-one-dlq', deadLetterSubscription)).toBe(2);
  expect(await kept(broker, 'steps-two-dlq', 'morgue')).toBe(2);
  expect(await kept(broker, 'steps-three-dlq', deadLetterSubscription)).toBe(1);
});

it.each([
  ['all', 2_000, ['paystream-dead-letter-attempts', 'paystream-dead-letter-reason', 'paystream-dead-letter-topic']],
  ['the reason', 150, ['paystream-dead-letter-reason', 'paystream-dead-letter-topic']],
  ['nothing', 20, []],
] as const)('has room for %s where a message is nearly as large as its broker takes, and holds nothing up', async (_, room, expected) => {
  const clock = createVirtualClock();
  await using embedded = await createEmbeddedBroker({ clock });
  const largest = 10_000;
  const broker = limitedTo(largest, embedded);
  const handled: number[] = [];
  const handler = async ({ n }: { readonly n: number }): Promise<void> => {
    handled.push(n);
  };
  const consumer = await createConsumer(broker, steps, { subscription: 'one', clock, handler });
  const raw = await broker.createProducer({ topic: 'steps' });
  const payload = Buffer.alloc(largest - room, '{');
  await raw.send({ payload, key: 'a' });
  const producer = await createProducer(broker, steps, { clock });
  await producer.send({ key: 'a', n: 1 });
  await clock.settle();
  expect(handled).toEqual([1]);
  const letters = await embedded.subscribe({ topic: 'steps-one-dlq', subscription: deadLetterSubscription, initialPosition: 'earliest' });
  const [letter] = await letters.receive(1);
  expect(letter?.payload.length).toBe(payload.length);
  const names = Object.keys(letter?.properties ?? {}).filter((name) => name.startsWith('paystream-dead-letter-'));
  expect(names.toSorted()).toEqual(expect.arrayContaining([...expected]));
  if (room < 2_000) expect(names).toHaveLength(expected.length);
  await consumer.close();
});

it('are published of messages whose time no broker takes from us, as one in nanoseconds', async () => {
  const clock = createVirtualClock();
  await using embedded = await createEmbeddedBroker({ clock });
  const strict: Broker = {
    ...embedded,
    createProducer: async (options) => {
      const producer = await embedded.createProducer(options);
      const send: typeof producer.send = async (message) => {
        if (message.eventTimeMs === undefined || Number.isSafeInteger(message.eventTimeMs)) return producer.send(message);
        throw new PaystreamError('INVALID_ARGUMENT', 'not an integer', { reason: 'BAD_OPTIONS' });
      };
      return { ...producer, send };
    },
  };
  const consumer = await createConsumer(strict, steps, { subscription: 'one', clock, handler: async () => undefined });
  const raw = await embedded.createProducer({ topic: 'steps' });
  await raw.send({ payload: Uint8Array.of(1), eventTimeMs: 1.8e18 });
  await clock.settle();
  expect(await kept(embedded, 'steps-one-dlq', deadLetterSubscription)).toBe(1);
  await consumer.close();
});

it('makes no subscription that nobody reads by where it is told so', async () => {
  const clock = createVirtualClock();
  await using broker = await createEmbeddedBroker({ clock });
  const asked: BrokerProducerOptions[] = [];
  const watched: Broker = {
    ...broker,
    createProducer: (options) => {
      asked.push(options);
      return broker.createProducer(options);
    },
  };
  const own = await broker.subscribe({ topic: 'steps-one-dlq', subscription: 'ours' });
  const options = { clock, deadLetterSubscription: false } as const;
  const consumer = await createConsumer(watched, steps, {
    ...options,
    subscription: 'one',
    handler: async () => {
      throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
    },
  });
  const stream = await createMessageStream(watched, steps, { ...options, subscription: 'two' });
  const raw = await broker.createProducer({ topic: 'steps' });
  await raw.send({ payload: Uint8Array.of(1) });
  await clock.settle();
  await Promise.all([consumer.close(), stream.close()]);
  expect(asked).toEqual([{ topic: 'steps-one-dlq' }, { topic: 'steps-two-dlq' }]);
  expect(await own.backlog()).toBe(1);
  const moving = await broker.subscribe({
    topic: 'steps',
    subscription: 'three',
    initialPosition: 'earliest',
    deadLetter: { topic: 'moved', maxRedeliveries: 0, subscription: false },
  });
  moving.negativeAcknowledge(await moving.receive(1), 0);
  const enough = new AbortController();
  const nothing = moving.receive(1, enough.signal).catch(() => undefined);
  await clock.advance({ seconds: 1 });
  enough.abort();
  await nothing;
  const reader = await broker.createReader({ topic: 'moved', start: 'earliest' });
  expect(await reader.receive(1)).toHaveLength(1);
  // One that had been made with the topic would have the letter.
  expect(await kept(broker, 'moved', deadLetterSubscription)).toBe(0);
});

it('what is given up goes to its topic by a broker whose methods need it, such as an object of a class', async () => {
  const clock = createVirtualClock();
  await using embedded = await createEmbeddedBroker({ clock });
  // Its methods need it.
  const broker: Broker & { readonly inner: Broker } = {
    ...embedded,
    inner: embedded,
    createProducer(options) {
      return this.inner.createProducer(options);
    },
  };
  await using consumer = await createConsumer(broker, steps, {
    subscription: 'one',
    clock,
    handler: async () => {
      throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
    },
  });
  const producer = await createProducer(embedded, steps, { clock });
  await producer.send({ key: 'a', n: 1 });
  await clock.advance({ seconds: 1 });
  expect(consumer.status.inFlight).toBe(0);
});

it.each(['deadLetterSubscription', 'deadLetterTopic'])('has a name: an empty %s is refused at start', async (option) => {
  await using broker = await createEmbeddedBroker({ clock: createVirtualClock() });
  const options = { subscription: 'one', [option]: '' };
  const consumer = createConsumer(broker, steps, { ...options, handler: async () => undefined });
  await expect(consumer).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_CONSUMER_OPTION', details: { option } });
  await expect(createMessageStream(broker, steps, options)).rejects.toMatchObject({ reason: 'INVALID_CONSUMER_OPTION' });
});

describe('a dead-letter topic whose subscription may not be made', () => {
  /** Refuses every producer with a subscription of its own, as often as it is told. */
  async function refusing(code: ErrorCode, reason: string, times: number) {
    const clock = createVirtualClock();
    const telemetry = createMemoryTelemetry();
    const embedded = await createEmbeddedBroker({ clock });
    const asked: BrokerProducerOptions[] = [];
    const errors: string[] = [];
    let left = times;
    const broker: Broker = {
      ...embedded,
      createProducer: async (options) => {
        asked.push(options);
        if (options.initialSubscription === undefined) return embedded.createProducer(options);
        if (left-- > 0) throw new PaystreamError(code, 'refused', { reason });
        return embedded.createProducer(options);
      },
    };
    const consumer = await createConsumer(broker, steps, {
      subscription: 'one',
      clock,
      telemetry,
      logger: { ...silentLogger, error: (_, message) => errors.push(message) },
      handler: async () => {
        throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
      },
    });
    const producer = await createProducer(embedded, steps, { clock });
    await Promise.all(['a', 'b'].map((key) => producer.send({ key, n: 1 })));
    await clock.advance({ minutes: 1 });
    const { inFlight } = consumer.status;
    await consumer.close();
    const reader = await embedded.createReader({ topic: 'steps-one-dlq', start: 'earliest' });
    const letters = inFlight > 0 ? [] : await reader.receive(10);
    await embedded.close();
    const labels = { topic: 'steps-one-dlq', subscription: 'one', operation: 'forward' };
    const retries = telemetry.counter('paystream_consumer_broker_retries_total', labels);
    return { inFlight, letters, asked, retries, said: errors.filter((message) => message.includes('"dead-letters"')) };
  }

  it.each<[ErrorCode, string]>([
    ['FAILED_PRECONDITION', 'PULSAR_FORBIDS_IT'],
    ['PERMISSION_DENIED', 'PULSAR_NOT_AUTHORIZED'],
    ['NOT_FOUND', 'SUBSCRIPTION_NOT_FOUND'],
    ['PERMISSION_DENIED', 'NOT_YOURS'],
    ['UNSUPPORTED', 'NO_SUCH_OPTION'],
  ])('gets its letters all the same, and it is said once: %s %s', async (code, reason) => {
    const { inFlight, letters, asked, said } = await refusing(code, reason, Number.POSITIVE_INFINITY);
    expect(inFlight).toBe(0);
    expect(letters).toHaveLength(2);
    expect(asked).toEqual([{ topic: 'steps-one-dlq', initialSubscription: 'dead-letters' }, { topic: 'steps-one-dlq' }]);
    expect(said).toEqual([expect.stringContaining('"steps-one-dlq"')]);
  });

  it('is asked for it again with a letter a minute later, so that what is permitted meanwhile needs no restart', async () => {
    const clock = createVirtualClock();
    await using embedded = await createEmbeddedBroker({ clock });
    const asked: (string | undefined)[] = [];
    let permitted = false;
    const broker: Broker = {
      ...embedded,
      createProducer: async (options) => {
        asked.push(options.initialSubscription);
        if (options.initialSubscription !== undefined && !permitted)
          throw new PaystreamError('PERMISSION_DENIED', 'refused', { reason: 'PULSAR_NOT_AUTHORIZED' });
        return embedded.createProducer(options);
      },
    };
    const handler = async (): Promise<void> => {
      throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
    };
    await using _consumer = await createConsumer(broker, steps, { subscription: 'one', clock, handler });
    const producer = await createProducer(embedded, steps, { clock });
    const give = async (n: number): Promise<void> => {
      await producer.send({ key: 'a', n });
      await clock.settle();
    };
    await give(1);
    await clock.advance({ seconds: 59 });
    await give(2);
    await clock.advance({ seconds: 2 });
    await give(3);
    expect(asked).toEqual(['dead-letters', undefined, 'dead-letters']);
    permitted = true;
    await clock.advance({ minutes: 1 });
    await give(4);
    await clock.advance({ minutes: 5 });
    await give(5);
    expect(asked).toEqual(['dead-letters', undefined, 'dead-letters', 'dead-letters']);
    expect(await kept(embedded, 'steps-one-dlq', deadLetterSubscription)).toBe(5);
  });

  it('gets none before the subscription is there if the broker is only away', async () => {
    const { letters, asked, retries, said } = await refusing('UNAVAILABLE', 'PULSAR_UNREACHABLE', 2);
    expect(letters).toHaveLength(2);
    expect(retries).toBeGreaterThanOrEqual(2);
    expect(new Set(asked.map(({ initialSubscription }) => initialSubscription))).toEqual(new Set(['dead-letters']));
    expect(said).toEqual([]);
  });
});
