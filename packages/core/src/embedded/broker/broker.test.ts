import { describe, expect, it } from 'vitest';
import type { Broker, BrokerReader, IncomingMessage } from '../../broker/port.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import { createMemoryTelemetry } from '../../testing/memory-telemetry.ts';
import { createVirtualClock, type VirtualClock } from '../../testing/virtual-clock.ts';
import { createBrokerOn, createEmbeddedBroker } from './broker.ts';
import { createMemoryStore } from './memory-store.ts';
import type { EmbeddedBrokerOptions } from './options.ts';
import type { EntryStore } from './store.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const text = (message: IncomingMessage): string => decoder.decode(message.payload);

async function publish(broker: Broker, topic: string, ...texts: string[]): Promise<void> {
  const producer = await broker.createProducer({ topic });
  for (const one of texts) await producer.send({ payload: encoder.encode(one) });
  await producer.close();
}

/** What a reader has before it would have to wait. */
async function readAll(reader: BrokerReader): Promise<string[]> {
  const stop = new AbortController();
  const all: string[] = [];
  const reading = (async () => {
    for (;;) all.push(...(await reader.receive(100, stop.signal)).map(text));
  })();
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await reading.catch(() => undefined);
  return all;
}

async function kept(broker: Broker, topic: string): Promise<string[]> {
  const reader = await broker.createReader({ topic, start: 'earliest' });
  const all = await readAll(reader);
  await reader.close();
  return all;
}

async function consumeAll(broker: Broker, topic: string, subscription: string): Promise<void> {
  const consumer = await broker.subscribe({ topic, subscription, initialPosition: 'earliest' });
  while ((await consumer.backlog()) > 0) await consumer.acknowledge(await consumer.receive(100));
  await consumer.close();
}

describe('what is kept', () => {
  async function open(options: EmbeddedBrokerOptions = {}): Promise<{ broker: Broker; clock: VirtualClock }> {
    const clock = createVirtualClock({ quietTurns: 2 });
    return { broker: await createEmbeddedBroker({ ...options, clock }), clock };
  }

  it('goes once every subscription has acknowledged it, so that memory and disk do not fill with history', async () => {
    const { broker, clock } = await open();
    for (const subscription of ['slow', 'fast']) await (await broker.subscribe({ topic: 't', subscription })).close();
    await publish(broker, 't', 'a', 'b', 'c');
    await consumeAll(broker, 't', 'fast');
    const slow = await broker.subscribe({ topic: 't', subscription: 'slow' });
    await slow.acknowledge(await slow.receive(1));
    await clock.advance({ seconds: 1 });
    expect(await kept(broker, 't')).toEqual(['b', 'c']);
    await broker.close();
  });

  it('is nothing when the last subscription has acknowledged', async () => {
    const { broker, clock } = await open();
    await publish(broker, 't', 'a', 'b');
    await consumeAll(broker, 't', 's');
    await clock.advance({ seconds: 1 });
    expect(await kept(broker, 't')).toEqual([]);
    await broker.close();
  });

  it('waits, on a topic without subscriptions, for a service that starts later', async () => {
    const { broker, clock } = await open();
    await publish(broker, 't', 'early');
    await clock.advance({ hours: 24 * 6 });
    await publish(broker, 't', 'late');
    await clock.advance({ seconds: 1 });
    expect(await kept(broker, 't')).toEqual(['early', 'late']);
    await clock.advance({ hours: 25 });
    await publish(broker, 't', 'later');
    await clock.advance({ seconds: 1 });
    expect(await kept(broker, 't'), 'what nobody wants in seven days goes').toEqual(['late', 'later']);
    await broker.close();
  });

  it('is bounded by number on a topic without subscriptions', async () => {
    const { broker, clock } = await open({ topicRetention: { t: { unconsumed: { maxMessages: 3 } } } });
    await publish(broker, 't', 'a', 'b', 'c', 'd', 'e');
    await publish(broker, 'other', 'a', 'b', 'c', 'd', 'e');
    await clock.advance({ seconds: 1 });
    expect(await kept(broker, 't')).toEqual(['c', 'd', 'e']);
    expect(await kept(broker, 'other')).toEqual(['a', 'b', 'c', 'd', 'e']);
    await broker.close();
  });

  it('may include what was acknowledged, for replay', async () => {
    const { broker, clock } = await open({ retention: { acknowledged: { maxMessages: 2 } } });
    await publish(broker, 't', 'a', 'b', 'c');
    await consumeAll(broker, 't', 's');
    await clock.advance({ seconds: 1 });
    const consumer = await broker.subscribe({ topic: 't', subscription: 's' });
    await consumer.seek('earliest');
    expect((await consumer.receive(10)).map(text)).toEqual(['b', 'c']);
    await broker.close();
  });

  it('waits for a reader that lags, and tells a reader that lagged too far', async () => {
    const { broker, clock } = await open({ retention: { unconsumed: { maxMessages: 3 } } });
    const reader = await broker.createReader({ topic: 't', start: 'earliest' });
    await publish(broker, 't', 'a', 'b', 'c');
    await consumeAll(broker, 't', 's');
    await clock.advance({ seconds: 1 });
    expect((await reader.receive(1)).map(text)).toEqual(['a']);
    expect(reader.gaps).toBe(0);
    await publish(broker, 't', 'd', 'e', 'f');
    await consumeAll(broker, 't', 's');
    await clock.advance({ seconds: 1 });
    expect(await readAll(reader)).toEqual(['d', 'e', 'f']);
    expect(reader.gaps).toBe(1);
    await broker.close();
  });
});

describe('a clock that is set back', () => {
  it('does not make publish times go back: a seek to a time still finds everything since', async () => {
    const clock = createVirtualClock();
    let set = 0;
    const broker = await createEmbeddedBroker({ clock: { ...clock, now: () => clock.now() + set } });
    const consumer = await broker.subscribe({ topic: 't', subscription: 's' });
    await publish(broker, 't', 'a');
    set = -3_600_000;
    await publish(broker, 't', 'b');
    const [a, b] = await consumer.receive(2);
    expect(b?.publishTimeMs).toBe(a?.publishTimeMs);
    await consumer.seek({ timeMs: a?.publishTimeMs ?? 0 });
    expect((await consumer.receive(2)).map(text)).toEqual(['a', 'b']);
    await broker.close();
  });
});

describe('one turn', () => {
  it('of sends and acknowledgements costs one commit, however many there are', async () => {
    const telemetry = createMemoryTelemetry();
    const broker = await createEmbeddedBroker({ telemetry });
    const producer = await broker.createProducer({ topic: 't' });
    const other = await broker.createProducer({ topic: 'u' });
    const consumer = await broker.subscribe({ topic: 't', subscription: 's' });
    await producer.sendAll([{ payload: encoder.encode('a') }, { payload: encoder.encode('b') }]);
    const messages = await consumer.receive(2);
    const before = telemetry.observations('paystream_broker_commit_seconds').length;
    const sends = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? producer : other).send({ payload: encoder.encode('x') }));
    await Promise.all([...sends, ...messages.map((message) => consumer.acknowledge([message]))]);
    expect(telemetry.observations('paystream_broker_commit_seconds').length - before).toBe(1);
    expect(telemetry.counter('paystream_broker_published_total')).toBe(102);
    await broker.close();
  });

  it('that publishes without end does not gather it all in memory first', async () => {
    const telemetry = createMemoryTelemetry();
    const broker = await createEmbeddedBroker({ telemetry });
    const producer = await broker.createProducer({ topic: 't' });
    const sends = Array.from({ length: 20_000 }, () => producer.send({ payload: encoder.encode('x') }));
    expect(telemetry.observations('paystream_broker_commit_seconds').length).toBeGreaterThanOrEqual(2);
    expect(new Set(await Promise.all(sends)).size).toBe(20_000);
    await broker.close();
  });
});

describe('a store that fails', () => {
  const full = new PaystreamError('UNAVAILABLE', 'the disk is full', { reason: 'DISK_FULL' });

  function breakable(): { store: EntryStore; state: { broken: boolean } } {
    const state = { broken: false };
    const store = createMemoryStore();
    const commit: EntryStore['commit'] = (changes) => {
      if (state.broken) throw full;
      store.commit(changes);
    };
    return { store: { ...store, commit }, state };
  }

  it('fails sends and acknowledgements with its reason, and delivers nothing that is not stored', async () => {
    const clock = createVirtualClock({ quietTurns: 2 });
    const { store, state } = breakable();
    const broker = createBrokerOn(store, { clock });
    const consumer = await broker.subscribe({ topic: 't', subscription: 's' });
    const producer = await broker.createProducer({ topic: 't' });
    await producer.send({ payload: encoder.encode('a') });
    const messages = await consumer.receive(1);
    state.broken = true;
    await expect(producer.send({ payload: encoder.encode('lost') })).rejects.toBe(full);
    await expect(consumer.acknowledge(messages)).rejects.toBe(full);
    await expect(broker.subscribe({ topic: 't', subscription: 'new' })).rejects.toBe(full);
    await producer.flush();
    state.broken = false;
    const waiting = consumer.receive(10);
    await producer.send({ payload: encoder.encode('b') });
    expect((await waiting).map(text)).toEqual(['b']);
    await broker.close();
  });

  it('stores an acknowledgement later that it could not store at first', async () => {
    const clock = createVirtualClock({ quietTurns: 2 });
    const { store, state } = breakable();
    const stored: number[] = [];
    const telemetry = createMemoryTelemetry();
    const backlog = () => telemetry.gaugeValue('paystream_broker_backlog', { topic: 't', subscription: 's' });
    const broker = createBrokerOn(
      {
        ...store,
        commit: (changes) => {
          store.commit(changes);
          for (const cursor of changes.cursors) stored.push(cursor.position);
        },
      },
      { clock, telemetry },
    );
    const consumer = await broker.subscribe({ topic: 't', subscription: 's' });
    await publish(broker, 't', 'a');
    await clock.advance({ seconds: 1 });
    expect([backlog(), telemetry.counter('paystream_broker_commit_failures_total')]).toEqual([1, 0]);
    state.broken = true;
    await expect(consumer.acknowledge(await consumer.receive(1))).rejects.toBe(full);
    expect(telemetry.counter('paystream_broker_commit_failures_total')).toBe(1);
    expect(stored).toEqual([0]);
    state.broken = false;
    await clock.advance({ seconds: 2 });
    expect(stored).toEqual([0, 1]);
    expect(backlog()).toBe(0);
    await broker.close();
  });

  it('does not lose a message on its way to the dead-letter topic', async () => {
    const clock = createVirtualClock({ quietTurns: 2 });
    const { store, state } = breakable();
    const broker = createBrokerOn(store, { clock });
    const dead = await broker.subscribe({ topic: 'dead', subscription: 's' });
    const consumer = await broker.subscribe({
      topic: 't',
      subscription: 's',
      type: 'key-shared',
      deadLetter: { topic: 'dead', maxRedeliveries: 0 },
    });
    await publish(broker, 't', 'poison');
    state.broken = true;
    consumer.negativeAcknowledge(await consumer.receive(1), 0);
    const stop = new AbortController();
    const waiting = expect(consumer.receive(1, stop.signal)).rejects.toThrow();
    await clock.advance({ seconds: 5 });
    expect(await consumer.backlog()).toBe(1);
    state.broken = false;
    await clock.advance({ seconds: 5 });
    stop.abort();
    await waiting;
    expect((await dead.receive(1)).map(text)).toEqual(['poison']);
    expect(await consumer.backlog()).toBe(0);
    await broker.close();
  });

  it('that cannot read tells who receives, and skips nothing', async () => {
    const clock = createVirtualClock({ quietTurns: 2 });
    const store = createMemoryStore();
    const damaged = new PaystreamError('DATA_LOSS', 'damaged', { reason: 'ENTRY_DAMAGED' });
    let readable = false;
    const broker = createBrokerOn(
      {
        ...store,
        durable: true,
        read: (_topic, sequence) => {
          if (!readable) throw damaged;
          const message = { sequence, publishTimeMs: 0, payload: encoder.encode(`m${sequence}`), properties: {} };
          const whole = { ...message, key: undefined, eventTimeMs: undefined, deliverAtMs: undefined };
          return [{ first: sequence, end: sequence + 1, timeMs: 0, bytes: 1, messages: [whole] }];
        },
      },
      { clock, cacheBytes: 0 },
    );
    for (const type of ['exclusive', 'key-shared'] as const) {
      readable = false;
      const consumer = await broker.subscribe({ topic: type, subscription: 's', type, initialPosition: 'earliest' });
      const waiting = expect(consumer.receive(5)).rejects.toBe(damaged);
      await publish(broker, type, 'a', 'b');
      await waiting;
      await expect(consumer.receive(5)).rejects.toBe(damaged);
      readable = true;
      expect((await consumer.receive(5)).map(text)).toEqual(['m0', 'm1']);
    }
    await broker.close();
  });
});

describe('what makes no sense is refused, and harms nobody else', () => {
  it.each([
    ['a payload that is a string', { payload: 'text' }],
    ['a key that is a number', { payload: new Uint8Array(1), key: 7 }],
    ['a property that is undefined', { payload: new Uint8Array(1), properties: { a: undefined } }],
    ['a payload above the limit', { payload: new Uint8Array(101) }],
  ])('%s', async (_name, message) => {
    const broker = await createEmbeddedBroker({ maxMessageBytes: 100 });
    const producer = await broker.createProducer({ topic: 't' });
    const good = producer.send({ payload: new Uint8Array(100) });
    await expect(producer.send(message as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(producer.sendAll([{ payload: new Uint8Array(1) }, message as never])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await good;
    await broker.close();
  });

  it('subscriptions without sense', async () => {
    await using broker = await createEmbeddedBroker();
    const base = { topic: 't', subscription: 's' };
    for (const options of [
      { ...base, topic: '' },
      { ...base, subscription: '' },
      { ...base, maxUnacknowledged: 0 },
      { ...base, deadLetter: { topic: 't', maxRedeliveries: 1 } },
      { ...base, deadLetter: { topic: 'd', maxRedeliveries: -1 } },
    ]) {
      await expect(broker.subscribe(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'BAD_OPTIONS' });
    }
    const consumer = await broker.subscribe(base);
    await expect(consumer.receive(0)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(consumer.seek({ messageId: 'no such' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'BAD_MESSAGE_ID' });
    const elsewhere = await broker.subscribe({ topic: 'u', subscription: 's', initialPosition: 'earliest' });
    await publish(broker, 'u', 'x');
    await expect(consumer.acknowledge(await elsewhere.receive(1))).rejects.toMatchObject({ reason: 'WRONG_TOPIC' });
  });
});
