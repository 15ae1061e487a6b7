import { describe, expect, it } from 'vitest';
import { fakeTime, fakeWorld, outcomeOf, pass, ready, sendAll } from './test-support.ts';

async function withThreePending(operationTimeoutMs = 30_000) {
  fakeTime();
  const { world, producer } = await ready({ batching: false }, fakeWorld({ operationTimeoutMs }));
  const sends = sendAll(producer, ['a', 'b', 'c']);
  return { world, producer, sends, outcomes: () => sends.outcomes() };
}

describe('a receipt', () => {
  it('is ignored when nothing is pending', async () => {
    fakeTime();
    const { world, producer } = await ready({ batching: false });
    world.connection.receipt(0, 12);
    const sent = producer.send('a');
    world.connection.receipt(0, 0, { entryId: 5n });
    expect(await outcomeOf(sent)).toBe('7:5:-1');
    expect(world.connection.closed).toBe(false);
  });

  it('of a message that was given up is ignored', async () => {
    const { world, outcomes } = await withThreePending();
    world.connection.receipt(0, 0);
    world.connection.receipt(0, 0);
    expect(await outcomes()).toEqual(['7:0:-1', 'pending', 'pending']);
    expect(world.connection.closed).toBe(false);
  });

  it('9.3.36 that comes too early closes the connection, and everything is sent again in order', async () => {
    const { world, outcomes } = await withThreePending();
    const first = world.connection;
    first.receipt(0, 2);
    expect(first.closed).toBe(true);
    expect(await outcomes()).toEqual(['pending', 'pending', 'pending']);
    await pass(100);
    expect(world.connections).toHaveLength(2);
    expect(world.connection.sent.map(({ sequenceId }) => sequenceId)).toEqual([0, 1, 2]);
    for (const id of [0, 1, 2]) world.connection.receipt(0, id);
    expect(await outcomes()).toEqual(['7:0:-1', '7:1:-1', '7:2:-1']);
  });

  it.each([
    ['2^64-1', -1],
    ['0', 0],
    ['the highest id', 2],
  ])('9.3.35 of a batch is accepted with %s as highest sequence id', async (_, highest) => {
    fakeTime();
    const { world, producer } = await ready();
    const sends = sendAll(producer, ['a', 'b', 'c']);
    await pass(1);
    expect(world.connection.sent).toMatchObject([{ sequenceId: 0, highestSequenceId: 2, numMessages: 3 }]);
    world.connection.receipt(0, 0, { highest, entryId: 9n });
    expect(await sends.outcomes()).toEqual(['7:9:-1:0', '7:9:-1:1', '7:9:-1:2']);
    expect(producer.lastSequenceId).toBe(2);
  });

  it('of another batch than was sent closes the connection', async () => {
    fakeTime();
    const { world, producer } = await ready();
    const sends = sendAll(producer, ['a', 'b', 'c']);
    await pass(1);
    const first = world.connection;
    first.receipt(0, 0, { highest: 1 });
    expect(first.closed).toBe(true);
    await pass(100);
    world.connection.receipt(0, 0, { highest: 2 });
    expect(await sends.outcome(2)).toBe('7:0:-1:2');
  });

  it('of a duplicate that the broker dropped resolves the send', async () => {
    const { world, outcomes } = await withThreePending();
    world.connection.receipt(0, 0, { ledgerId: -1n, entryId: -1n });
    expect((await outcomes())[0]).toBe('-1:-1:-1');
  });

  it('for a producer that is over is ignored', async () => {
    const { world, producer, outcomes } = await withThreePending(1_000);
    const handler = world.connection.handlers.get(0)!;
    const closing = producer.close();
    await pass(1_000);
    await closing;
    handler.onReceipt({ producerId: 0, sequenceId: 0, highestSequenceId: -1, ledgerId: 1n, entryId: 1n });
    expect(await outcomes()).toEqual(['ALREADY_CLOSED', 'ALREADY_CLOSED', 'ALREADY_CLOSED']);
  });
});
