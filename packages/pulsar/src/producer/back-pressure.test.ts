import { beforeEach, describe, expect, it } from 'vitest';
import type { Transaction } from '../transaction/port.ts';
import { attachScope } from '../transaction/scope.ts';
import { fakeTime, fakeWorld, outcomeOf, pass, ready, sendAll } from './test-support.ts';

beforeEach(fakeTime);

describe('9.3.41 a full queue', () => {
  it('rejects what comes, and takes more once there is room', async () => {
    const { world, producer } = await ready({ batching: false, maxPendingMessages: 2 });
    const sends = sendAll(producer, ['a', 'b', 'c']);
    expect(await sends.outcomes()).toEqual(['pending', 'pending', 'QUEUE_FULL']);
    world.connection.receipt(0, 0);
    expect(producer.pendingMessages).toBe(1);
    const again = sendAll(producer, ['d']);
    expect(await again.outcome()).toBe('pending');
    expect(world.connection.sent.map(({ messages }) => messages[0]?.text)).toEqual(['a', 'b', 'd']);
  });

  it('lets senders wait in order if asked to', async () => {
    const { world, producer } = await ready({ batching: false, maxPendingMessages: 2, blockIfQueueFull: true });
    const sends = sendAll(producer, ['a', 'b', 'c', 'd', 'e']);
    expect(world.connection.sent).toHaveLength(2);
    for (let id = 0; id < 5; id++) world.connection.receipt(0, id);
    expect(await sends.outcomes()).toEqual([0, 1, 2, 3, 4].map((id) => `7:${id}:-1`));
    expect(world.connection.sent.map(({ messages }) => messages[0]?.text)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(producer.pendingMessages).toBe(0);
  });

  it('lets thousands wait', async () => {
    const { world, producer } = await ready({ maxPendingMessages: 100, blockIfQueueFull: true });
    const sends = sendAll(
      producer,
      Array.from({ length: 5_000 }, (_, at) => String(at)),
    );
    for (let confirmed = 0; confirmed < world.connection.sent.length || confirmed === 0; ) {
      await pass(1);
      for (const { sequenceId } of world.connection.sent.slice(confirmed)) {
        confirmed += 1;
        world.connection.receipt(0, sequenceId);
      }
      await pass(1);
    }
    await sends.all();
    expect(world.connection.sent.flatMap(({ messages }) => messages.map(({ text }) => Number(text)))).toEqual(
      Array.from({ length: 5_000 }, (_, at) => at),
    );
  });

  it('rejects by bytes of the whole client', async () => {
    const world = fakeWorld({ memoryLimitBytes: 100 });
    const { producer } = await ready({ batching: false }, world);
    const sends = sendAll(producer, [Buffer.alloc(60), Buffer.alloc(60)]);
    expect(await sends.outcomes()).toEqual(['pending', 'MEMORY_LIMIT']);
    world.connection.receipt(0, 0);
    expect(world.context.memory.usedBytes).toBe(0);
  });

  it('waits for bytes if asked to, and does not lose any', async () => {
    const world = fakeWorld({ memoryLimitBytes: 100 });
    const { producer } = await ready({ batching: false, blockIfQueueFull: true }, world);
    const sends = sendAll(producer, [Buffer.alloc(60), Buffer.alloc(60), Buffer.alloc(10)]);
    await pass(1);
    expect(world.connection.sent).toHaveLength(1);
    world.connection.receipt(0, 0);
    await pass(1);
    world.connection.receipt(0, 1);
    world.connection.receipt(0, 2);
    expect(await sends.outcomes()).toEqual(['7:0:-1', '7:1:-1', '7:2:-1']);
    expect(world.context.memory.usedBytes).toBe(0);
  });

  it.each([{ maxPendingMessages: 1 }, { maxPendingMessages: 100 }])(
    'settles who waits when the producer is closed (%o)',
    async (options) => {
      const world = fakeWorld({ memoryLimitBytes: 10 });
      const { producer } = await ready({ batching: false, blockIfQueueFull: true, ...options }, world);
      const sends = sendAll(producer, [Buffer.alloc(10), Buffer.alloc(10), Buffer.alloc(10)]);
      const flushed = producer.flush();
      flushed.catch(() => undefined);
      world.connection.close();
      await producer.close();
      expect(await sends.outcomes()).toEqual(['ALREADY_CLOSED', 'ALREADY_CLOSED', 'ALREADY_CLOSED']);
      expect(await outcomeOf(flushed)).not.toBe('pending');
      expect(world.context.memory.usedBytes).toBe(0);
      expect(producer.pendingMessages).toBe(0);
    },
  );

  it('takes in who waited when those before have timed out', async () => {
    const { world, producer } = await ready({ maxPendingMessages: 2, blockIfQueueFull: true, sendTimeoutMs: 1_000 });
    const sends = sendAll(producer, ['a', 'b', 'c', 'd']);
    await pass(1_001);
    expect(await sends.outcomes()).toEqual(['TIMEOUT', 'TIMEOUT', 'pending', 'pending']);
    world.connection.receipt(0, 2);
    expect(await sends.outcomes()).toEqual(['TIMEOUT', 'TIMEOUT', '7:2:-1:0', '7:2:-1:1']);
  });

  it('lets a flush wait for those who wait', async () => {
    const { world, producer } = await ready({ batching: false, maxPendingMessages: 1, blockIfQueueFull: true });
    sendAll(producer, ['a', 'b']);
    const flushed = producer.flush();
    world.connection.receipt(0, 0);
    expect(await outcomeOf(flushed)).toBe('pending');
    world.connection.receipt(0, 1);
    await flushed;
  });
});

describe('a socket that is full', () => {
  it('is not written to until it has drained, and nothing changes places', async () => {
    const { world, producer } = await ready({ batching: false });
    world.connection.setWritable(false);
    sendAll(producer, ['a', 'b']);
    expect(world.connection.sent).toHaveLength(0);
    world.connection.setWritable(true);
    await pass(0);
    sendAll(producer, ['c']);
    expect(world.connection.sent.map(({ messages }) => messages[0]?.text)).toEqual(['a', 'b', 'c']);
  });

  it('and then breaks is left, and the next connection gets everything', async () => {
    const { world, producer } = await ready({ batching: false });
    const first = world.connection;
    first.setWritable(false);
    sendAll(producer, ['a', 'b']);
    first.close();
    await pass(100);
    expect(world.connection).not.toBe(first);
    expect(world.connection.sent.map(({ messages }) => messages[0]?.text)).toEqual(['a', 'b']);
  });
});

describe('a transaction that does not know the topic yet', () => {
  function transactionOf(addTopic: () => Promise<void> | undefined): Transaction {
    const transaction = { id: '(0,1)', state: 'open' } as Transaction;
    attachScope(transaction, {
      mostBits: 0n,
      leastBits: 1n,
      addTopic,
      addSubscription: () => undefined,
      track: (operation) => operation,
      onAborted: () => undefined,
    });
    return transaction;
  }

  it('holds its message and what was sent behind it', async () => {
    const registration = Promise.withResolvers<void>();
    const transaction = transactionOf(() => registration.promise);
    const { world, producer } = await ready({ batching: false });
    sendAll(producer, ['a', { value: 'b', transaction }, 'c']);
    expect(world.connection.sent).toHaveLength(1);
    registration.resolve();
    await pass(0);
    expect(world.connection.sent.map(({ messages }) => messages[0]?.text)).toEqual(['a', 'b', 'c']);
  });

  it('and cannot be told fails its message only', async () => {
    const transaction = transactionOf(() => Promise.reject(new Error('no coordinator')));
    const { world, producer } = await ready({ batching: false });
    const sends = sendAll(producer, [{ value: 'a', transaction }, 'b']);
    await pass(0);
    expect(world.connection.sent.map(({ messages }) => messages[0]?.text)).toEqual(['b']);
    expect(await sends.outcome(0)).toBe('PROTOCOL');
    expect(producer.pendingMessages).toBe(1);
  });
});
