import { describe, expect, it } from 'vitest';
import { fakeTime, fakeWorld, outcomeOf, pass, ready, sendAll } from './test-support.ts';

async function withThreePending() {
  fakeTime();
  const { world, producer } = await ready({ batching: false });
  const sends = sendAll(producer, ['a', 'b', 'c']);
  return { world, producer, sends, connection: world.connection, outcomes: () => sends.outcomes() };
}

describe('a SEND_ERROR', () => {
  it('9.3.34 about a checksum sends everything again on the same connection', async () => {
    const { connection, outcomes } = await withThreePending();
    connection.sendError(0, 0, 'CORRUPT', 'ChecksumError');
    expect(connection.closed).toBe(false);
    expect(connection.sent.map(({ sequenceId }) => sequenceId)).toEqual([0, 1, 2, 0, 1, 2]);
    for (const id of [0, 1, 2]) connection.receipt(0, id);
    expect(await outcomes()).toEqual(['7:0:-1', '7:1:-1', '7:2:-1']);
  });

  it('about a checksum fails a message whose bytes were changed here, and only that', async () => {
    fakeTime();
    const { world, producer } = await ready({ batching: false });
    const frames: Buffer[] = [];
    world.connection.write = (given) => {
      frames.push(...(Buffer.isBuffer(given) ? [given] : given));
      return true;
    };
    const sends = sendAll(producer, ['a', 'b']);
    frames[0]![frames[0]!.length - 1] = 0;
    world.connection.sendError(0, 0, 'CORRUPT', 'ChecksumError');
    world.connection.receipt(0, 1);
    expect(await sends.outcomes()).toEqual(['CORRUPT', '7:1:-1']);
  });

  it('9.3.45 about a terminated topic rejects everything, for ever', async () => {
    const { producer, connection, outcomes } = await withThreePending();
    connection.sendError(0, 0, 'TOPIC_TERMINATED');
    expect(await outcomes()).toEqual(['TOPIC_TERMINATED', 'TOPIC_TERMINATED', 'TOPIC_TERMINATED']);
    expect(producer.state).toBe('terminated');
    expect(await outcomeOf(producer.send('d'))).toBe('TOPIC_TERMINATED');
    expect(connection.handlers.size).toBe(0);
  });

  it('that forbids a message rejects that one only', async () => {
    const { connection, outcomes } = await withThreePending();
    connection.sendError(0, 0, 'NOT_ALLOWED');
    connection.receipt(0, 1);
    expect(await outcomes()).toEqual(['NOT_ALLOWED', '7:1:-1', 'pending']);
  });

  it('that forbids a message which is not the oldest is ignored', async () => {
    const { connection, outcomes } = await withThreePending();
    connection.sendError(0, 1, 'NOT_ALLOWED');
    expect(await outcomes()).toEqual(['pending', 'pending', 'pending']);
  });

  it.each(['UNAVAILABLE', 'BROKER'] as const)(
    'of any other kind (%s) makes the producer anew without closing the connection of others',
    async (code) => {
      const { world, producer, connection, outcomes } = await withThreePending();
      connection.sendError(0, 0, code);
      expect(connection.closed).toBe(false);
      expect(producer.state).toBe('connecting');
      // What is sent now waits behind what was sent before.
      const later = sendAll(producer, ['d']);
      await pass(100);
      expect(world.lookups).toHaveLength(2);
      expect(connection.commands.map(({ producer: made }) => made?.epoch)).toEqual([0n, 1n]);
      expect(connection.sent.slice(3).map(({ sequenceId }) => sequenceId)).toEqual([0, 1, 2, 3]);
      for (const id of [0, 1, 2, 3]) connection.receipt(0, id);
      expect(await outcomes()).toEqual(['7:0:-1', '7:1:-1', '7:2:-1']);
      expect(await later.outcome()).toBe('7:3:-1');
    },
  );

  it('rejects a flush that waits for the message', async () => {
    const { producer, connection } = await withThreePending();
    const flushed = outcomeOf(producer.flush());
    connection.sendError(0, 0, 'NOT_ALLOWED');
    connection.receipt(0, 1);
    connection.receipt(0, 2);
    expect(await flushed).toBe('NOT_ALLOWED');
    expect(await outcomeOf(producer.flush())).toBe('undefined');
  });

  it('for a chunk rejects the whole message and leaves the next one alone', async () => {
    fakeTime();
    const world = fakeWorld();
    world.maxMessageSize = 1_000;
    const { producer } = await ready({ batching: false, chunking: true }, world);
    const sends = sendAll(producer, [Buffer.alloc(2_500), 'small']);
    expect(world.connection.sent.map(({ isChunk }) => isChunk)).toEqual([true, true, true, false]);
    world.connection.receipt(0, 0);
    world.connection.sendError(0, 0, 'NOT_ALLOWED');
    world.connection.receipt(0, 0);
    world.connection.receipt(0, 1);
    expect(await sends.outcomes()).toEqual(['NOT_ALLOWED', '7:1:-1']);
  });
});
