import { beforeEach, describe, expect, it } from 'vitest';
import { PulsarError, type PulsarErrorCode } from '../errors/pulsar-error.ts';
import { BaseCommand_Type } from '../gen/pulsar/wire_pb.ts';
import { createProducer } from './create-producer.ts';
import { type FakeWorld, fakeTime, fakeWorld, outcomeOf, pass, ready, sendAll, success } from './test-support.ts';

beforeEach(fakeTime);

const texts = (world: FakeWorld): (string | undefined)[] => world.connection.sent.map(({ messages }) => messages[0]?.text);

/** Refuses PRODUCER so often, and then takes it. */
function refuse(world: FakeWorld, times: number, code: PulsarErrorCode, serverError?: string): void {
  let left = times;
  world.onProducer = (producer, answer, reject) => {
    left -= 1;
    if (left >= 0)
      reject(new PulsarError(code, 'refused', { command: 'PRODUCER', serverError, ...(serverError ? { retryable: true } : {}) }));
    else answer(success(producer));
  };
}

describe('a producer that is made', () => {
  it('takes the name and the next sequence id that the broker says', async () => {
    const world = fakeWorld();
    world.onProducer = (producer, answer) => answer(success(producer, { producerName: 'given', lastSequenceId: 41n }));
    const { producer } = await ready({ batching: false }, world);
    expect(producer).toMatchObject({ name: 'given', lastSequenceId: 41, state: 'ready', topic: 'persistent://public/default/orders' });
    sendAll(producer, ['a']);
    expect(world.connection.sent[0]).toMatchObject({ sequenceId: 42, metadata: { producerName: 'given' } });
  });

  it('starts where the application says', async () => {
    const { world, producer } = await ready({ batching: false, initialSequenceId: 100 });
    expect(producer.lastSequenceId).toBe(99);
    sendAll(producer, ['a', { value: 'b', sequenceId: 200 }, 'c']);
    expect(world.connection.sent.map(({ sequenceId }) => sequenceId)).toEqual([100, 200, 201]);
  });

  it('is registered before the broker is asked, and with all that it is asked for', async () => {
    const world = fakeWorld();
    world.onProducer = (producer, answer, _reject, connection) => {
      expect(connection.handlers.size).toBe(1);
      expect(producer).toMatchObject({
        producerName: 'mine',
        userProvidedProducerName: true,
        epoch: 0n,
        producerAccessMode: 3,
        initialSubscriptionName: 's',
      });
      expect(producer.metadata).toMatchObject([{ key: 'a', value: 'b' }]);
      answer(success(producer));
    };
    await ready({ name: 'mine', accessMode: 'exclusive-with-fencing', initialSubscription: 's', properties: { a: 'b' } }, world);
  });

  it.each(['PRODUCER_BUSY', 'PRODUCER_FENCED', 'AUTHORIZATION', 'TOPIC_NOT_FOUND', 'INCOMPATIBLE_SCHEMA', 'TOPIC_TERMINATED'] as const)(
    'fails at once with %s',
    async (code) => {
      const world = fakeWorld();
      refuse(world, 99, code);
      expect(await outcomeOf(createProducer(world.context, { topic: 'orders' }))).toBe(code);
      expect(world.connection.handlers.size).toBe(0);
    },
  );

  it('is tried again while the topic is being loaded', async () => {
    const world = fakeWorld();
    refuse(world, 3, 'UNAVAILABLE');
    const made = ready({}, world);
    await pass(700);
    expect((await made).producer.state).toBe('ready');
    expect(world.lookups).toHaveLength(4);
  });

  it('gives up at the operation time-out', async () => {
    const world = fakeWorld({ operationTimeoutMs: 1_000 });
    refuse(world, 99, 'UNAVAILABLE');
    const made = createProducer(world.context, { topic: 'orders' });
    made.catch(() => undefined);
    await pass(1_000);
    expect(await outcomeOf(made)).toBe('UNAVAILABLE');
  });

  it('9.3.43 waits for exclusive access without limit', async () => {
    const world = fakeWorld({ operationTimeoutMs: 1_000 });
    let grant: (() => void) | undefined;
    world.onProducer = (producer, answer) => {
      answer(success(producer, { producerReady: false }));
      grant = () => answer(success(producer, { topicEpoch: 3n }));
    };
    const made = ready({ accessMode: 'wait-for-exclusive' }, world);
    await pass(100_000);
    expect(await outcomeOf(made)).toBe('pending');
    grant?.();
    expect((await made).producer.state).toBe('ready');
  });

  it('stops waiting when its signal is aborted, and takes its name off the list', async () => {
    const world = fakeWorld();
    world.onProducer = (producer, answer) => answer(success(producer, { producerReady: false }));
    const stop = new AbortController();
    const made = createProducer(world.context, { topic: 'orders', accessMode: 'wait-for-exclusive', signal: stop.signal });
    made.catch(() => undefined);
    await pass(10);
    stop.abort();
    expect(await outcomeOf(made)).toBe('CANCELED');
    expect(world.connection.commands.at(-1)?.type).toBe(BaseCommand_Type.CLOSE_PRODUCER);
  });

  it('stops waiting for a look-up when its signal is aborted', async () => {
    const world = fakeWorld();
    const stop = new AbortController();
    const lookup = { ...world.context.lookup, topic: () => new Promise<never>(() => undefined) };
    const made = createProducer({ ...world.context, lookup }, { topic: 'orders', signal: stop.signal });
    made.catch(() => undefined);
    await pass(10);
    stop.abort();
    expect(await outcomeOf(made)).toBe('CANCELED');
  });
});

describe('a producer that is lost', () => {
  it('comes back with its name and the next epoch, and sends what is pending before anything new', async () => {
    const { world, producer } = await ready({ batching: false });
    const first = world.connection;
    const sends = sendAll(producer, ['a', 'b']);
    first.close();
    expect(producer.state).toBe('connecting');
    sends.send('c');
    await pass(100);
    expect(producer.state).toBe('ready');
    expect(world.connection.commands[0]?.producer).toMatchObject({
      producerName: 'standalone-0-1',
      userProvidedProducerName: false,
      epoch: 1n,
    });
    expect(texts(world)).toEqual(['a', 'b', 'c']);
    for (const id of [0, 1, 2]) world.connection.receipt(0, id);
    expect(await sends.outcomes()).toEqual(['7:0:-1', '7:1:-1', '7:2:-1']);
    expect(world.events.filter(({ scope }) => scope === 'producer').map(({ type }) => type)).toEqual(['ready', 'disconnected', 'ready']);
  });

  it('by an unload comes back on the same connection after a look-up', async () => {
    const { world, producer } = await ready({ batching: false });
    sendAll(producer, ['a']);
    world.connection.closeProducer(0);
    sendAll(producer, ['b']);
    expect(texts(world)).toEqual(['a']);
    await pass(100);
    expect(world.connections).toHaveLength(1);
    expect(world.lookups).toHaveLength(2);
    expect(texts(world)).toEqual(['a', 'a', 'b']);
  });

  it('goes at once and without a look-up to the broker that was named, but only once', async () => {
    const { world } = await ready();
    refuse(world, 1, 'UNAVAILABLE');
    world.connection.closeProducer(0, { serviceUrl: 'pulsar://other:6651', serviceUrlTls: undefined });
    await pass(0);
    expect(world.connectedTo.at(-1)).toEqual({ logical: 'other:6651', physical: 'other:6651' });
    expect(world.lookups).toHaveLength(1);
    await pass(200);
    expect(world.lookups).toHaveLength(2);
    expect(world.connectedTo.at(-1)).toEqual({ logical: 'broker:6650', physical: 'broker:6650' });
  });

  it('closed by the broker before it has answered is made again', async () => {
    const world = fakeWorld();
    let times = 0;
    world.onProducer = (producer, answer, _reject, connection) => {
      times += 1;
      if (times === 1) connection.closeProducer(Number(producer.producerId));
      answer(success(producer));
    };
    const made = ready({}, world);
    await pass(100);
    expect((await made).producer.state).toBe('ready');
    expect(times).toBe(2);
  });

  it('9.3.42 retries while its old session is still there', async () => {
    const { world, producer } = await ready({ name: 'mine', batching: false });
    const sends = sendAll(producer, ['a']);
    refuse(world, 5, 'PRODUCER_BUSY');
    world.connection.close();
    await pass(7_000);
    expect(producer.state).toBe('ready');
    world.connection.receipt(0, 0);
    expect(await sends.outcome(0)).toBe('7:0:-1');
  });

  it('whose PRODUCER is not answered closes it and tries again with a higher epoch', async () => {
    const { world } = await ready();
    refuse(world, 1, 'TIMEOUT');
    world.connection.closeProducer(0);
    await pass(500);
    const { commands } = world.connection;
    expect(commands.map(({ type }) => type)).toEqual([
      BaseCommand_Type.PRODUCER,
      BaseCommand_Type.PRODUCER,
      BaseCommand_Type.CLOSE_PRODUCER,
      BaseCommand_Type.PRODUCER,
    ]);
    expect(commands.at(-1)?.producer?.epoch).toBe(2n);
  });

  it.each([
    ['PRODUCER_FENCED', 'fenced'],
    ['TOPIC_TERMINATED', 'terminated'],
    ['TOPIC_NOT_FOUND', 'failed'],
  ] as const)('for good with %s rejects what is pending and is %s', async (code, state) => {
    const { world, producer } = await ready({ batching: { maxDelayMs: 1_000 } });
    const sends = sendAll(producer, ['a']);
    await pass(0);
    sends.send('gathered');
    refuse(world, 1, code);
    world.connection.close();
    await pass(100);
    expect(await sends.outcomes()).toEqual([code, code]);
    expect(producer.state).toBe(state);
    expect(await outcomeOf(producer.send('later'))).toBe(code);
    expect(producer.pendingMessages).toBe(0);
    await producer.close();
    expect(producer.state).toBe('closed');
  });

  it('tells its topic epoch, by which the broker knows whether another was there', async () => {
    const world = fakeWorld();
    world.onProducer = (producer, answer) => answer(success(producer, { topicEpoch: 8n }));
    await ready({ accessMode: 'exclusive' }, world);
    world.connection.closeProducer(0);
    await pass(100);
    expect(world.connection.commands.at(-1)?.producer?.topicEpoch).toBe(8n);
  });

  it('9.3.46 waits if the backlog quota says hold, and rejects if it says exception', async () => {
    for (const [serverError, outcome] of [
      ['ProducerBlockedQuotaExceededError', 'pending'],
      ['ProducerBlockedQuotaExceededException', 'QUOTA_EXCEEDED'],
    ] as const) {
      const { world, producer } = await ready();
      refuse(world, 3, 'QUOTA_EXCEEDED', serverError);
      world.connection.closeProducer(0);
      const sent = sendAll(producer, ['a']);
      await pass(150);
      expect(await sent.outcome()).toBe(outcome);
      await pass(3_000);
      expect(producer.state).toBe('ready');
    }
  });

  it('drops nothing but what the new broker would not take', async () => {
    const { world, producer } = await ready({ batching: false });
    const sends = sendAll(producer, ['a', 'x'.repeat(2_000), 'b']);
    world.maxMessageSize = 1_000;
    world.connection.close();
    await pass(100);
    expect(texts(world)).toEqual(['a', 'b']);
    expect(await sends.outcomes()).toEqual(['pending', 'MESSAGE_TOO_LARGE', 'pending']);
  });

  it('is told of nothing by a session that is over', async () => {
    const { world, producer } = await ready({ batching: false });
    const old = world.connection.handlers.get(0)!;
    world.connection.close();
    await pass(100);
    const sent = sendAll(producer, ['a']);
    old.onReceipt({ producerId: 0, sequenceId: 0, highestSequenceId: -1, ledgerId: 1n, entryId: 1n });
    old.onClosed({ serviceUrl: undefined, serviceUrlTls: undefined });
    old.onDisconnected(new PulsarError('NOT_CONNECTED', 'late'));
    expect(await sent.outcome()).toBe('pending');
    expect(producer.state).toBe('ready');
  });
});

describe('a send time-out', () => {
  it('9.3.40 rejects everything pending and gathered, connected or not, and later sends work', async () => {
    const { world, producer } = await ready({ batching: { maxMessages: 2 }, sendTimeoutMs: 1_000 });
    world.connection.closeProducer(0);
    refuse(world, 1, 'PRODUCER_BUSY', 'x');
    world.context.pool.connect = () => Promise.reject(new PulsarError('NOT_CONNECTED', 'down'));
    const sends = sendAll(producer, ['a', 'b', 'c']);
    await pass(999);
    expect(await sends.outcomes()).toEqual(['pending', 'pending', 'pending']);
    await pass(2);
    expect(await sends.outcomes()).toEqual(['TIMEOUT', 'TIMEOUT', 'TIMEOUT']);
    expect(producer).toMatchObject({ pendingMessages: 0, state: 'connecting' });
    const later = sendAll(producer, ['d']);
    expect(await later.outcome()).toBe('pending');
  });

  it('looks at the oldest message only, and starts anew for each', async () => {
    const { world, producer } = await ready({ batching: false, sendTimeoutMs: 1_000 });
    const first = sendAll(producer, ['a']);
    await pass(600);
    const second = sendAll(producer, ['b']);
    world.connection.receipt(0, 0);
    await pass(600);
    expect(await second.outcome()).toBe('pending');
    await pass(401);
    expect(await second.outcome()).toBe('TIMEOUT');
    expect(await first.outcome()).toBe('7:0:-1');
  });

  it('of 0 never comes', async () => {
    const { producer } = await ready({ batching: false, sendTimeoutMs: 0 });
    const sent = sendAll(producer, ['a']);
    await pass(10_000_000);
    expect(await sent.outcome()).toBe('pending');
  });

  it('is followed by one attempt shortly before it', async () => {
    const { world, producer } = await ready({ batching: false, sendTimeoutMs: 5_000 });
    refuse(world, 7, 'UNAVAILABLE');
    world.connection.close();
    sendAll(producer, ['a']);
    const before = world.lookups.length;
    await pass(4_880);
    const attempts = world.lookups.length - before;
    await pass(40);
    expect(world.lookups.length - before).toBe(attempts + 1);
  });
});

describe('closing', () => {
  it('sends what is gathered, waits for it, and tells the broker', async () => {
    const { world, producer } = await ready({ batching: { maxDelayMs: 1_000 } });
    const sends = sendAll(producer, ['a', 'b']);
    const closing = producer.close();
    await pass(0);
    expect(texts(world)).toEqual(['a']);
    expect(world.connection.commands.at(-1)?.type).toBe(BaseCommand_Type.PRODUCER);
    expect(await outcomeOf(producer.send('c'))).toBe('ALREADY_CLOSED');
    world.connection.receipt(0, 0);
    await closing;
    expect(await sends.outcomes()).toEqual(['7:0:-1:0', '7:0:-1:1']);
    expect(world.connection.commands.at(-1)?.type).toBe(BaseCommand_Type.CLOSE_PRODUCER);
    expect(producer.state).toBe('closed');
    expect(world.connection.handlers.size).toBe(0);
    await producer.close();
  });

  it('rejects what is pending if the broker is away', async () => {
    const { world, producer } = await ready();
    world.connection.close();
    const sends = sendAll(producer, ['a']);
    await producer.close();
    expect(await sends.outcome(0)).toBe('ALREADY_CLOSED');
  });

  it('rejects what is pending if the broker goes away meanwhile', async () => {
    const { world, producer } = await ready();
    const sends = sendAll(producer, ['a']);
    const closing = producer.close();
    world.connection.close();
    await closing;
    expect(await sends.outcome(0)).toBe('ALREADY_CLOSED');
    await pass(1_000);
    expect(world.connections).toHaveLength(1);
  });

  it('while it is coming back ends the attempts', async () => {
    const { world, producer } = await ready();
    refuse(world, 99, 'UNAVAILABLE');
    world.connection.close();
    await pass(1_000);
    await producer.close();
    const { length } = world.lookups;
    await pass(100_000);
    expect(world.lookups).toHaveLength(length);
  });
});
