import { expect, it } from 'vitest';
import { PartitionMetadataLookupType, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { MessageId } from '../message/message-id.ts';
import type { FakeScript } from '../testing/fake-broker.ts';
import { fakeTopic } from './fake-topic.ts';

/** Topics called `parted…` have three partitions. */
const parted: FakeScript = ({ partitionMetadata }, session) => {
  if (!partitionMetadata?.topic.includes('/parted')) return false;
  const { requestId } = partitionMetadata;
  const response = PartitionMetadataLookupType.SUCCESS;
  session.send({ type: Type.PARTITIONED_METADATA_RESPONSE, partitionMetadataResponse: { requestId, response, partitions: 3 } });
  return true;
};

/** Answers a seek as brokers do: the session ends. */
const seeking: FakeScript = ({ seek }, session) => {
  if (seek === undefined) return false;
  session.send({ type: Type.SUCCESS, success: { requestId: seek.requestId } });
  session.send({ type: Type.CLOSE_CONSUMER, closeConsumer: { consumerId: seek.consumerId, requestId: 0n } });
  return true;
};

const script: FakeScript = (command, session, payload) => parted(command, session, payload) || seeking(command, session, payload);
const base = 'persistent://public/default/parted';

it('seeks to an id that was kept as text in the partition that it names', async () => {
  await using topic = await fakeTopic(script);
  const consumer = await topic.subscribe({ topic: base });
  await consumer.seek(MessageId.parse('7:5:1'));
  const topics = new Map(topic.commands(Type.SUBSCRIBE).map(({ subscribe }) => [subscribe?.consumerId, subscribe?.topic]));
  expect(topic.commands(Type.SEEK).map(({ seek }) => topics.get(seek?.consumerId))).toEqual([`${base}-partition-1`]);
});

it('seeks to the ids of both ends in every partition', async () => {
  await using topic = await fakeTopic(script);
  const consumer = await topic.subscribe({ topic: base });
  await consumer.seek(MessageId.earliest);
  await consumer.seek(MessageId.latest);
  expect(topic.commands(Type.SEEK)).toHaveLength(6);
});

it('acknowledges by an id that was kept as text in the partition that it names', async () => {
  await using topic = await fakeTopic(script);
  const consumer = await topic.subscribe({ topic: base, ackGroupTimeMs: 0 });
  await consumer.acknowledge(MessageId.parse('7:5:2'));
  const { ack } = await topic.broker.waitFor(({ type }) => type === Type.ACK);
  const subscribed = topic.commands(Type.SUBSCRIBE).find(({ subscribe }) => subscribe?.consumerId === ack?.consumerId);
  expect(subscribed?.subscribe?.topic).toBe(`${base}-partition-2`);
});

it('refuses an id that may be of several topics, and one of a partition that is not there', async () => {
  await using topic = await fakeTopic(script);
  const one = await topic.subscribe({ topic: base });
  const two = await topic.subscribe({ topic: undefined, topics: [`${base}-a`, `${base}-b`], subscription: 'two' });
  const seeks = [one.seek(MessageId.parse('7:5:9')), two.seek(MessageId.parse('7:5:1')), one.seek(MessageId.parse('7:5:-1'))];
  for (const seek of await Promise.allSettled(seeks)) {
    expect(seek).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_ARGUMENT' } });
  }
});

it('tells how a seek ended only when no part of it is under way any more', async () => {
  let refused = false;
  await using topic = await fakeTopic((command, session, payload) => {
    if (command.seek !== undefined && !refused) {
      refused = true;
      const { requestId } = command.seek;
      session.send({ type: Type.ERROR, error: { requestId, error: 1, message: 'not now' } });
      return true;
    }
    return script(command, session, payload);
  });
  const consumer = await topic.subscribe({ topic: base });
  await expect(consumer.seek('earliest')).rejects.toMatchObject({ command: 'SEEK', serverError: 'MetadataError' });
  await consumer.seek('earliest');
});

it('goes on with the partitions whose subscription others kept it from removing', async () => {
  await using topic = await fakeTopic((command, session, payload) => {
    if (command.unsubscribe?.consumerId === 1n) {
      const { requestId } = command.unsubscribe;
      session.send({
        type: Type.ERROR,
        error: { requestId, error: 1, message: 'Unconnected or shared consumer attempting to unsubscribe' },
      });
      return true;
    }
    return script(command, session, payload);
  });
  const consumer = await topic.subscribe({ topic: base });
  await expect(consumer.unsubscribe()).rejects.toMatchObject({
    code: 'CONSUMER_BUSY',
    retryable: false,
    command: 'UNSUBSCRIBE',
    serverError: 'MetadataError',
  });
  expect(consumer.topics).toEqual([`${base}-partition-1`]);
  topic.deliver([{ entryId: 1, texts: ['still here'] }], 1);
  expect((await consumer.receive()).data.toString()).toBe('still here');
  expect(consumer.connected).toBe(true);
});
