import { expect, it, vi } from 'vitest';
import { fakeTopic } from '../consumer/fake-topic.ts';
import { BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';

it('gets again what was given back to it before it connected anew', async () => {
  await using topic = await fakeTopic();
  const reader = await topic.client.createReader({ topic: 'orders', start: 'earliest' });
  const aborted = new AbortController();
  const waiting = reader.receiveBatch({ maxMessages: 10, minMessages: 10, timeoutMs: 3_600_000, signal: aborted.signal });
  topic.deliver([{ entryId: 0, texts: ['a'] }]);
  await topic.broker.waitFor(({ type }) => type === Type.ACK);
  aborted.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'CANCELED' });
  topic.cut();
  await vi.waitFor(() => expect(topic.commands(Type.SUBSCRIBE)).toHaveLength(2));
  topic.deliver([{ entryId: 0, texts: ['a'] }]);
  expect((await reader.receive({ timeoutMs: 1_000 }))?.data.toString()).toBe('a');
});

it('does not tell a new session that it has had what was given back to it', async () => {
  await using topic = await fakeTopic();
  const reader = await topic.client.createReader({ topic: 'orders', start: 'earliest' });
  const aborted = new AbortController();
  topic.deliver([{ entryId: 0, texts: ['a'] }]);
  await topic.client.partitionsOf('orders');
  const waiting = reader.receiveBatch({ maxMessages: 10, minMessages: 10, timeoutMs: 3_600_000, signal: aborted.signal });
  aborted.abort();
  topic.cut();
  await expect(waiting).rejects.toMatchObject({ code: 'CANCELED' });
  await vi.waitFor(() => expect(topic.broker.sessions[1]?.received.some(({ flow }) => flow !== undefined)).toBe(true));
  expect(topic.commands(Type.ACK)).toEqual([]);
});
