import { expect, it } from 'vitest';
import { BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { MessageId } from '../message/message-id.ts';
import type { FakeSession } from '../testing/fake-broker.ts';
import { fakeTopic } from './fake-topic.ts';

it('does not let what lies before a place in a batch hold it back, though the batch comes before the answer to the seek', async () => {
  let answer = (): void => undefined;
  await using topic = await fakeTopic(({ seek }, session: FakeSession) => {
    if (seek === undefined) return false;
    const { requestId, consumerId } = seek;
    answer = () => session.send({ type: Type.SUCCESS, success: { requestId } });
    session.send({ type: Type.CLOSE_CONSUMER, closeConsumer: { consumerId, requestId: 0n } });
    return true;
  });
  const consumer = await topic.subscribe({ batchIndexAck: true, ackGroupTimeMs: 0 });
  const seeking = consumer.seek(MessageId.parse('7:5:-1:2'), { inclusive: true });
  await expect.poll(() => topic.commands(Type.SUBSCRIBE).length).toBe(2);
  topic.deliver([{ entryId: 5, texts: ['a', 'b', 'c', 'd'] }]);
  answer();
  await seeking;
  const { ack } = await topic.broker.waitFor(({ type }) => type === Type.ACK);
  expect(ack?.messageId[0]?.ackSet).toEqual([0b1100n]);
  const [first, second] = [await consumer.receive(), await consumer.receive()];
  expect([first, second].map(({ data }) => data.toString())).toEqual(['c', 'd']);
  await consumer.acknowledge([first, second]);
  await expect.poll(() => topic.commands(Type.ACK).at(-1)?.ack?.messageId[0]?.ackSet).toEqual([]);
});

it('tells the broker what is left of a batch only if it knows how large that is', async () => {
  await using topic = await fakeTopic(({ seek }, session) => {
    if (seek === undefined) return false;
    session.send({ type: Type.SUCCESS, success: { requestId: seek.requestId } });
    session.send({ type: Type.CLOSE_CONSUMER, closeConsumer: { consumerId: seek.consumerId, requestId: 0n } });
    return true;
  });
  const consumer = await topic.subscribe();
  const id = new MessageId({ ledgerId: 7n, entryId: 5n, batchIndex: 2, batchSize: 5 });
  for (const kept of [id, MessageId.fromBytes(id.toBytes()), MessageId.parse(id.toString())]) await consumer.seek(kept);
  expect(topic.commands(Type.SEEK).map(({ seek }) => seek?.messageId?.ackSet)).toEqual([[0b11100n], [0b11100n], []]);
});
