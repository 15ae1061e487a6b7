import { expect, it, onTestFinished } from 'vitest';
import { closeAfterEach, deadAddress, fakeBroker } from '../connection/test-support.ts';
import { LookupType, ResourceType, ServerError, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { Schema } from '../schema/schema.ts';
import type { FakeBroker, FakeScript, FakeSession } from '../testing/fake-broker.ts';
import { createPulsarClient, type PulsarClient } from './client.ts';

closeAfterEach();

/** The service URLs of a cluster. */
interface Target {
  readonly serviceUrl?: string;
  readonly serviceUrlTls?: string;
}

/** Says that a topic has moved, and closes who is on it, as a broker does. */
function migrate(session: FakeSession, kind: 'producer' | 'consumer', id: bigint, { serviceUrl, serviceUrlTls }: Target): void {
  const resourceType = kind === 'producer' ? ResourceType.PRODUCER : ResourceType.CONSUMER;
  const urls = { ...(serviceUrl && { brokerServiceUrl: serviceUrl }), ...(serviceUrlTls && { brokerServiceUrlTls: serviceUrlTls }) };
  session.send({ type: Type.TOPIC_MIGRATED, topicMigrated: { resourceId: id, resourceType, ...urls } });
  session.send(
    kind === 'producer'
      ? { type: Type.CLOSE_PRODUCER, closeProducer: { producerId: id, requestId: 0n } }
      : { type: Type.CLOSE_CONSUMER, closeConsumer: { consumerId: id, requestId: 0n } },
  );
}

/** A broker whose topics have moved before anybody came. */
const moved =
  (to: Target): FakeScript =>
  ({ producer, subscribe }, session) => {
    if (producer !== undefined) migrate(session, 'producer', producer.producerId, to);
    if (subscribe !== undefined) migrate(session, 'consumer', subscribe.consumerId, to);
    return producer !== undefined || subscribe !== undefined;
  };

function clientOf(broker: FakeBroker): PulsarClient {
  const client = createPulsarClient({ serviceUrl: broker.serviceUrl, backoff: { initialMs: 5, maxMs: 20 } });
  onTestFinished(() => client.close());
  return client;
}

const count = (broker: FakeBroker, type: Type): number =>
  broker.sessions.flatMap(({ received }) => received).filter((command) => command.type === type).length;

const topic = 'orders';

it('lets a producer whose topic has moved send what is pending, and what follows, to the other cluster', async () => {
  const green = await fakeBroker();
  const blue = await fakeBroker(({ send }, session) => {
    if (send !== undefined) migrate(session, 'producer', send.producerId, { serviceUrl: green.serviceUrl });
    return send !== undefined;
  });
  const producer = await clientOf(blue).createProducer({ topic });
  await producer.send({ value: 'a' });
  await producer.send({ value: 'b' });
  expect([count(blue, Type.SEND), count(green, Type.LOOKUP), count(green, Type.SEND)]).toEqual([1, 1, 2]);
  // Wherever it is lost from then on, it comes back to the cluster that has the topic.
  green.sessions[0]?.close();
  await producer.send({ value: 'c' });
  expect([count(blue, Type.PRODUCER), count(green, Type.PRODUCER)]).toEqual([1, 2]);
});

it('lets a consumer whose topic has moved go on in the other cluster', async () => {
  const green = await fakeBroker();
  const blue = await fakeBroker();
  const consumer = await clientOf(blue).subscribe({ topic, subscription: 's' });
  const { subscribe } = await blue.waitFor(({ type }) => type === Type.SUBSCRIBE);
  migrate(blue.sessions[0]!, 'consumer', subscribe!.consumerId, { serviceUrl: green.serviceUrl });
  expect((await green.waitFor(({ type }) => type === Type.SUBSCRIBE)).subscribe).toMatchObject({ subscription: 's' });
  await green.waitFor(({ type }) => type === Type.FLOW);
  await consumer.close();
});

it('lets new producers and consumers find a topic that has moved, before any time-out', async () => {
  const green = await fakeBroker();
  const client = clientOf(await fakeBroker(moved({ serviceUrl: green.serviceUrl })));
  const producer = await client.createProducer({ topic });
  await producer.send({ value: 'a' });
  await client.subscribe({ topic, subscription: 's' });
  expect([count(green, Type.SEND), count(green, Type.SUBSCRIBE)]).toEqual([1, 1]);
});

it('follows a topic that moves on, or back', async () => {
  const red = await fakeBroker();
  const green = await fakeBroker(moved({ serviceUrl: red.serviceUrl }));
  const client = clientOf(await fakeBroker(moved({ serviceUrl: green.serviceUrl })));
  await client.createProducer({ topic });
  expect(count(red, Type.PRODUCER)).toBe(1);
});

it('tries every host of the other cluster, and asks the others when one is not ready for look-ups', async () => {
  const green = await fakeBroker();
  const starting = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined) return false;
    const refusal = { requestId: lookupTopic.requestId, error: ServerError.SERVICE_NOT_READY, message: 'starting' };
    session.send({ type: Type.LOOKUP_RESPONSE, lookupTopicResponse: { ...refusal, response: LookupType.LOOKUP_FAILED } });
    return true;
  });
  const serviceUrl = `pulsar://${await deadAddress()},${starting.address},${green.address}`;
  const client = clientOf(await fakeBroker(moved({ serviceUrl })));
  await client.createProducer({ topic });
  expect(count(green, Type.PRODUCER)).toBe(1);
});

it('stays where it is when the other cluster has no address that it can use', async () => {
  const green = await fakeBroker();
  let refusals = 0;
  const blue = await fakeBroker(({ producer }, session) => {
    if (producer === undefined || refusals === 1) return false;
    refusals += 1;
    migrate(session, 'producer', producer.producerId, { serviceUrlTls: green.serviceUrl });
    return true;
  });
  await clientOf(blue).createProducer({ topic });
  expect([count(blue, Type.PRODUCER), count(green, Type.CONNECT)]).toEqual([2, 0]);
});

it('asks the other cluster for the versions of schemas once the topic is there', async () => {
  const versions: FakeScript = ({ getOrCreateSchema }, session) => {
    if (getOrCreateSchema === undefined) return false;
    const answer = { requestId: getOrCreateSchema.requestId, schemaVersion: new Uint8Array(8) };
    session.send({ type: Type.GET_OR_CREATE_SCHEMA_RESPONSE, getOrCreateSchemaResponse: answer });
    return true;
  };
  const green = await fakeBroker(versions);
  const blue = await fakeBroker(versions);
  const producer = await clientOf(blue).createProducer({ topic });
  const schema = Schema.string();
  await producer.send({ value: 'a', schema });
  const { producer: made } = await blue.waitFor(({ type }) => type === Type.PRODUCER);
  migrate(blue.sessions[0]!, 'producer', made!.producerId, { serviceUrl: green.serviceUrl });
  await green.waitFor(({ type }) => type === Type.PRODUCER);
  await producer.send({ value: 'b', schema });
  expect([count(blue, Type.GET_OR_CREATE_SCHEMA), count(green, Type.GET_OR_CREATE_SCHEMA)]).toEqual([1, 1]);
});
