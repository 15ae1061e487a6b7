// What the broker answers is told by a fake one: a real broker refuses somebody who was there before only when things are taken away.
import { expect, it } from 'vitest';
import { type FakeTopic, fakeTopic } from '../../../pulsar/src/consumer/fake-topic.ts';
import { ServerError, BaseCommand_Type as Type } from '../../../pulsar/src/gen/pulsar/wire_pb.ts';
import type { Broker } from '../broker/port.ts';
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
