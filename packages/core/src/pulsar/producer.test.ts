// What the broker answers is told by a fake one: a real broker refuses somebody who was there before only when things are taken away.
import { describe, expect, it } from 'vitest';
import { type FakeTopic, fakeTopic } from '../../../pulsar/src/consumer/fake-topic.ts';
import { PartitionMetadataLookupType, ServerError, BaseCommand_Type as Type } from '../../../pulsar/src/gen/pulsar/wire_pb.ts';
import type { FakeSession } from '../../../pulsar/src/testing/fake-broker.ts';
import type { Broker, BrokerProducer } from '../broker/port.ts';
import { createVirtualClock, type VirtualClock } from '../testing/virtual-clock.ts';
import { createPulsarBroker } from './broker.ts';

interface Stage extends AsyncDisposable {
  readonly topic: FakeTopic;
  readonly broker: Broker;
  readonly clock: VirtualClock;
  /** What PRODUCER is answered with; `undefined`: success. */
  refusal: ServerError | undefined;
  producers(): number;
}

async function stage(): Promise<Stage> {
  const topic = await fakeTopic(({ producer }, session) => {
    if (producer === undefined || on.refusal === undefined) return false;
    session.send({ type: Type.ERROR, error: { requestId: producer.requestId, error: on.refusal, message: 'deleted' } });
    return true;
  });
  const clock = createVirtualClock();
  const on: Stage = {
    topic,
    broker: createPulsarBroker({ client: topic.client, clock }),
    clock,
    refusal: undefined,
    producers: () => topic.commands(Type.PRODUCER).length,
    [Symbol.asyncDispose]: async () => {
      await topic[Symbol.asyncDispose]();
      await on.broker.close();
    },
  };
  return on;
}

const payload = Buffer.from('x');

it.each([
  ['TOPIC_NOT_FOUND', 'TOPIC_NOT_FOUND'],
  ['TOPIC_TERMINATED_ERROR', 'TOPIC_TERMINATED'],
  ['PRODUCER_FENCED', 'PRODUCER_FENCED'],
] as const)('a producer that the broker has ended (%s) publishes again, in order, once it may', async (error, reason) => {
  await using on = await stage();
  const { topic, broker, clock } = on;
  const producer = await broker.createProducer({ topic: 'orders', initialSubscription: 'kept' });
  await producer.send({ payload });
  on.refusal = ServerError[error];
  topic.cut();
  const refused = { reason, retryable: true };
  await expect(producer.send({ payload })).rejects.toMatchObject(refused);
  await expect(producer.send({ payload })).rejects.toMatchObject(refused);
  const asked = on.producers();
  // Asked for once a second at most, however many messages there are.
  const sends = Array.from({ length: 20 }, () => producer.send({ payload }));
  for (const { reason: why } of (await Promise.allSettled(sends)) as PromiseRejectedResult[]) expect(why).toMatchObject(refused);
  await expect(producer.sendAll([{ payload }, { payload }])).rejects.toMatchObject(refused);
  expect(on.producers()).toBe(asked);
  on.refusal = undefined;
  await clock.advance({ seconds: 1 });
  const before = topic.commands(Type.SEND).length;
  const texts = Array.from({ length: 50 }, (_, n) => `m${n}`);
  const sent = texts.map((text) => producer.send({ payload: Buffer.from(text), properties: { text } }));
  await producer.flush();
  const ids = await Promise.all(sent);
  expect(on.producers()).toBe(asked + 1);
  expect(topic.commands(Type.PRODUCER).at(-1)?.producer?.initialSubscriptionName).toBe('kept');
  expect(topic.commands(Type.SEND).length).toBeGreaterThan(before);
  // The fake broker numbers entries as they come.
  const places = ids.map((id) => id.split(':').map(Number));
  expect(places).toEqual(places.toSorted(([, a = 0, x = 0], [, b = 0, y = 0]) => a - b || x - y));
  await producer.close();
  await expect(producer.send({ payload })).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'PRODUCER_CLOSED' });
});

it('a producer that is closed while it is made anew stays closed', async () => {
  await using on = await stage();
  const producer = await on.broker.createProducer({ topic: 'orders' });
  on.refusal = ServerError.TOPIC_NOT_FOUND;
  on.topic.cut();
  await expect(producer.send({ payload })).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' });
  on.refusal = undefined;
  const late = producer.send({ payload });
  const settled = expect(late).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'PRODUCER_CLOSED' });
  await producer.close();
  await settled;
  const closed = (): number => on.topic.commands(Type.CLOSE_PRODUCER).length;
  await expect.poll(() => closed()).toBe(1);
});

it('none overtakes one that is refused for its size, which may be stored later in front of it', async () => {
  await using on = await stage();
  const producer = await on.broker.createProducer({ topic: 'orders' });
  const large = { payload: Buffer.alloc(6_000_000) };
  await expect(producer.sendAll([{ payload }, large, { payload }])).rejects.toMatchObject({ reason: 'MESSAGE_TOO_LARGE' });
  await producer.flush();
  expect(on.topic.commands(Type.SEND)).toHaveLength(1);
});

it('several of which one is no message end no process by what becomes of the others: none of them is sent', async () => {
  await using on = await stage();
  const producer = await on.broker.createProducer({ topic: 'orders' });
  const malformed = { payload: 'text' as never };
  // It would be refused for its size when its batch is made; a rejection that nobody takes fails the run.
  const large = { payload: Buffer.alloc(6_000_000) };
  for (const first of [large, { payload }]) {
    await expect(producer.sendAll([first, malformed])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'BAD_MESSAGE' });
    await producer.flush();
  }
  await producer.send({ payload });
  expect(on.topic.commands(Type.SEND)).toHaveLength(1);
});

describe('a topic with partitions of which one is gone', () => {
  interface Partitions extends AsyncDisposable {
    readonly topic: FakeTopic;
    readonly clock: VirtualClock;
    readonly producer: BrokerProducer;
    /** A key of each partition. */
    readonly keys: readonly [string, string, string];
    /** What PRODUCER is answered with, by partition and by the how-manyeth producer of the partition it is. */
    refuse(answer: (partition: number, nth: number) => ServerError | undefined): void;
    /** The broker closes the producer that a partition has. */
    close(partition: number): void;
    /** Of which partitions producers were closed by the client, in turn. */
    closed(): readonly number[];
  }

  async function partitions(): Promise<Partitions> {
    let refusalOf: (partition: number, nth: number) => ServerError | undefined = () => undefined;
    const made: { readonly id: bigint; readonly partition: number; readonly session: FakeSession }[] = [];
    const partitionOf = (name: string): number => Number(name.split('-').at(-1));
    const topic = await fakeTopic(({ partitionMetadata, producer }, session) => {
      if (partitionMetadata !== undefined) {
        const { requestId } = partitionMetadata;
        const partitionMetadataResponse = { requestId, response: PartitionMetadataLookupType.SUCCESS, partitions: 3 };
        session.send({ type: Type.PARTITIONED_METADATA_RESPONSE, partitionMetadataResponse });
        return true;
      }
      if (producer === undefined) return false;
      const { requestId, producerId: id } = producer;
      const partition = partitionOf(producer.topic);
      if (!made.some((one) => one.id === id)) made.push({ id, partition, session });
      const nth = made.filter((one) => one.partition === partition).findIndex((one) => one.id === id);
      const error = refusalOf(partition, nth);
      if (error !== undefined) session.send({ type: Type.ERROR, error: { requestId, error, message: 'no' } });
      return error !== undefined;
    });
    const clock = createVirtualClock();
    const broker = createPulsarBroker({ client: topic.client, clock });
    const producer = await broker.createProducer({ topic: 'orders' });
    const keys: string[] = [];
    for (let n = 0; keys.filter(Boolean).length < 3; n++) {
      const id = await producer.send({ payload, key: `k${n}` });
      keys[Number(id.split(':')[2])] ??= `k${n}`;
    }
    return {
      ...{ topic, clock, producer, keys: keys as unknown as Partitions['keys'] },
      refuse: (answer) => {
        refusalOf = answer;
      },
      close: (partition) => {
        const one = made.findLast((other) => other.partition === partition);
        one?.session.send({ type: Type.CLOSE_PRODUCER, closeProducer: { producerId: one.id, requestId: 0n } });
      },
      closed: () =>
        topic
          .commands(Type.CLOSE_PRODUCER)
          .map(({ closeProducer }) => made.find(({ id }) => id === closeProducer?.producerId)?.partition ?? -1),
      [Symbol.asyncDispose]: async () => {
        await topic[Symbol.asyncDispose]();
        await broker.close();
      },
    };
  }

  it('keeps no key of the others from being published, and takes all again once it is back', async () => {
    await using on = await partitions();
    const { clock, producer, keys } = on;
    const [good, bad, other] = keys;
    on.refuse((partition) => (partition === 1 ? ServerError.TOPIC_NOT_FOUND : undefined));
    on.close(1);
    const gone = { reason: 'TOPIC_NOT_FOUND', retryable: true };
    await expect(producer.send({ payload, key: bad })).rejects.toMatchObject(gone);
    for (let second = 0; second < 5; second++) {
      const sent = await Promise.allSettled([good, bad, other].map((key) => producer.send({ payload, key })));
      expect(sent.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(sent[1]).toMatchObject({ reason: gone });
      await producer.sendAll([
        { payload, key: good },
        { payload, key: other },
      ]);
      await producer.flush();
      await clock.advance({ seconds: 1 });
    }
    on.refuse(() => undefined);
    await expect
      .poll(async () => {
        await clock.advance({ seconds: 1 });
        return producer.send({ payload, key: bad }).then(
          () => 'sent',
          () => 'refused',
        );
      })
      .toBe('sent');
    await Promise.all(keys.map((key) => producer.send({ payload, key })));
  });

  it('is made anew without giving up what waits for another one that is away for a moment', async () => {
    await using on = await partitions();
    const { producer, keys, topic } = on;
    const [good, bad, away] = keys;
    const asked = (partition: number): number =>
      topic.commands(Type.PRODUCER).filter(({ producer: one }) => one?.topic.endsWith(`-${partition}`)).length;
    let back = false;
    on.refuse((partition, nth) => {
      if (nth > 0 || back) return undefined;
      return [undefined, ServerError.TOPIC_NOT_FOUND, ServerError.SERVICE_NOT_READY][partition];
    });
    on.close(2);
    await expect.poll(() => asked(2)).toBeGreaterThan(2);
    const order: string[] = [];
    const waiting = producer.send({ payload, key: away }).then(() => order.push('first'));
    on.close(1);
    await expect(producer.send({ payload, key: bad })).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' });
    const before = asked(0);
    await producer.send({ payload, key: good });
    await expect.poll(() => asked(0)).toBe(before + 1);
    const behind = producer.send({ payload, key: away }).then(() => order.push('second'));
    const again = producer.send({ payload, key: bad });
    back = true;
    await Promise.all([waiting, behind, again]);
    expect(order).toEqual(['first', 'second']);
    await expect.poll(() => on.closed().toSorted()).toEqual([0, 2]);
  });
});
