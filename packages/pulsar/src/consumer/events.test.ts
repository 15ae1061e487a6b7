import { channel } from 'node:diagnostics_channel';
import { expect, it, onTestFinished } from 'vitest';
import type { ConsumerEvent, PulsarEvent } from '../events/events.ts';
import { ServerError, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import type { FakeScript } from '../testing/fake-broker.ts';
import { fakeTopic } from './fake-topic.ts';

const name = 'persistent://public/default/orders';

/** What is told of consumers. */
function listen(): { readonly told: ConsumerEvent[]; readonly types: () => string[]; readonly onEvent: (event: PulsarEvent) => void } {
  const told: ConsumerEvent[] = [];
  return { told, types: () => told.map(({ type }) => type), onEvent: (event) => event.scope === 'consumer' && told.push(event) };
}

it('tells when a consumer is ready, lost, tried again, moved and closed', async () => {
  const { told, types, onEvent } = listen();
  let refusals = 0;
  await using topic = await fakeTopic(
    ({ subscribe, seek }, session) => {
      if (subscribe !== undefined && refusals > 0) {
        refusals -= 1;
        session.send({
          type: Type.ERROR,
          error: { requestId: subscribe.requestId, error: ServerError.SERVICE_NOT_READY, message: 'not yet' },
        });
        return true;
      }
      if (seek === undefined) return false;
      session.send({ type: Type.SUCCESS, success: { requestId: seek.requestId } });
      session.send({ type: Type.CLOSE_CONSUMER, closeConsumer: { consumerId: seek.consumerId, requestId: 0n } });
      return true;
    },
    { onEvent },
  );
  const onChannel: unknown[] = [];
  const hear = (event: unknown): unknown => onChannel.push(event);
  channel('paystream:pulsar:consumer').subscribe(hear);
  onTestFinished(() => void channel('paystream:pulsar:consumer').unsubscribe(hear));
  const consumer = await topic.subscribe({ name: 'me' });
  refusals = 2;
  topic.cut();
  await expect.poll(types).toEqual(['ready', 'disconnected', 'retry', 'retry', 'ready']);
  expect(told[0]).toEqual({ scope: 'consumer', type: 'ready', topic: name, subscription: 's', name: 'me' });
  expect(told[1]).toMatchObject({ type: 'disconnected', error: { code: 'NOT_CONNECTED' } });
  expect(told[2]).toMatchObject({ type: 'retry', error: { code: 'UNAVAILABLE', serverError: 'ServiceNotReady' } });
  expect(told[2]?.delayMs).toBeGreaterThan(0);
  await consumer.seek('earliest');
  await consumer.close();
  await Promise.resolve();
  expect(types().slice(5).sort()).toEqual(['closed', 'disconnected', 'ready', 'seek']);
  expect(types().at(-1)).toBe('closed');
  expect(onChannel).toEqual(told);
});

/** Answers SUBSCRIBE with what `refusal` gives, if it gives anything. */
function refusing(refusal: () => ServerError | undefined): FakeScript {
  return ({ subscribe }, session) => {
    if (subscribe === undefined) return false;
    const error = refusal();
    if (error === undefined) return false;
    session.send({ type: Type.ERROR, error: { requestId: subscribe.requestId, error, message: 'refused' } });
    return true;
  };
}

it('tells that a consumer is over, and why', async () => {
  const { told, types, onEvent } = listen();
  let gone = false;
  await using topic = await fakeTopic(
    refusing(() => (gone ? ServerError.TOPIC_NOT_FOUND : undefined)),
    { onEvent },
  );
  const own: string[] = [];
  const consumer = await topic.subscribe({ events: { onFailed: (error, of) => own.push(`${error.code} ${of}`) } });
  gone = true;
  topic.cut();
  await expect(consumer.receive()).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
  expect(types()).toEqual(['ready', 'disconnected', 'failed']);
  expect(told.at(-1)).toMatchObject({ topic: name, error: { code: 'TOPIC_NOT_FOUND' } });
  expect(own).toEqual([`TOPIC_NOT_FOUND ${name}`]);
});

it('keeps nobody waiting for an acknowledgement by a consumer that is over', async () => {
  let gone = false;
  await using topic = await fakeTopic(refusing(() => (gone ? ServerError.AUTHORIZATION_ERROR : undefined)));
  const consumer = await topic.subscribe({ ackReceipt: true });
  topic.deliver([
    { entryId: 1, texts: ['a'] },
    { entryId: 2, texts: ['b'] },
    { entryId: 3, texts: ['c'] },
  ]);
  const [first, second, third] = [await consumer.receive(), await consumer.receive(), await consumer.receive()];
  gone = true;
  topic.cut();
  await expect.poll(() => consumer.connected).toBe(false);
  const before = consumer.acknowledge(first);
  await expect(consumer.receive()).rejects.toMatchObject({ code: 'AUTHORIZATION' });
  await expect(before).rejects.toMatchObject({ code: 'AUTHORIZATION' });
  await expect(consumer.acknowledge(second)).rejects.toMatchObject({ code: 'AUTHORIZATION' });
  // Nobody has to wait for one: it ends no process.
  void consumer.acknowledge(third);
  await new Promise((resolve) => setImmediate(resolve));
});

it('tells why it could not be subscribed again yet', async () => {
  let refusals = 0;
  await using topic = await fakeTopic(refusing(() => (refusals-- > 0 ? ServerError.CONSUMER_BUSY : undefined)));
  const own: string[] = [];
  const consumer = await topic.subscribe({ events: { onRetry: (of, error, delayMs) => own.push(`${of} ${error.code} ${delayMs > 0}`) } });
  refusals = 2;
  topic.cut();
  await expect.poll(() => own).toEqual([`${name} CONSUMER_BUSY true`, `${name} CONSUMER_BUSY true`]);
  await expect.poll(() => consumer.connected).toBe(true);
});

it('tells its own listeners in turns of their own, so that a slip of theirs does not end it', async () => {
  await using topic = await fakeTopic();
  let inside = false;
  const told: string[] = [];
  const tell = (what: string): void => {
    told.push(`${what} ${inside ? 'inside' : 'outside'}`);
  };
  const consumer = await topic.subscribe({
    type: 'failover',
    events: {
      onConnected: () => tell('connected'),
      onDisconnected: () => tell('disconnected'),
      onActiveChange: (isActive) => tell(`active ${isActive}`),
      onEndOfTopic: () => tell('end'),
    },
  });
  const [session] = topic.broker.sessions;
  inside = true;
  session?.send(
    { type: Type.ACTIVE_CONSUMER_CHANGE, activeConsumerChange: { consumerId: 0n, isActive: true } },
    { type: Type.REACHED_END_OF_TOPIC, reachedEndOfTopic: { consumerId: 0n } },
  );
  inside = false;
  await expect.poll(() => told).toEqual(['connected outside', 'active true outside', 'end outside']);
  topic.cut();
  await expect.poll(() => told.slice(3)).toEqual(['disconnected outside', 'connected outside']);
  expect(consumer.connected).toBe(true);
});
