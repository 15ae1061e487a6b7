import { createPulsarAdmin } from '@paystream/pulsar/admin';
import { beforeAll, expect, it } from 'vitest';
import { deadLetterSubscription } from '../broker/dead-letters.ts';
import type { Broker } from '../broker/port.ts';
import { createConsumer } from '../consumer/consumer.ts';
import { type Step, steps } from '../consumer/test-support.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type Logger, silentLogger } from '../logger/port.ts';
import { createProducer } from '../producer/producer.ts';
import { createPulsarNativeBroker } from '../pulsar-native/broker.ts';
import { addonUnderTest } from '../pulsar-native/test-support.ts';
import type { Topic } from '../topic/topic.ts';
import { createPulsarBroker } from './broker.ts';
import { freshName, type RealBroker, realBroker } from './test-support.ts';

let real: RealBroker;
beforeAll(async () => {
  // Deletes within a second or two what nobody uses, as brokers do by default within a minute or two.
  real = await realBroker('tidy');
});

const clients: readonly [string, (namespace?: string, logger?: Logger) => Broker][] = [
  ['our client', (namespace, logger) => createPulsarBroker({ serviceUrl: real.serviceUrl, namespace, logger })],
  ['the addon', (namespace, logger) => createPulsarNativeBroker({ serviceUrl: real.serviceUrl, namespace, logger, addon: addonUnderTest })],
];

it.each(clients)('a dead letter is there after its producer has gone and the broker has tidied up: by %s', async (_what, open) => {
  const admin = createPulsarAdmin({ url: real.adminUrl });
  const topic: Topic<Step> = { ...steps, name: freshName('steps') };
  const moved = freshName('moved');
  const broker = open();
  const consumer = await createConsumer(broker, topic, {
    subscription: 's',
    handler: async () => {
      throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
    },
  });
  const producer = await createProducer(broker, topic);
  await producer.send({ key: 'a', n: 1 });
  await expect.poll(() => consumer.status.inFlight, { timeout: 20_000 }).toBe(0);
  const tired = await broker.subscribe({
    topic: topic.name,
    subscription: 'tired',
    type: 'shared',
    initialPosition: 'earliest',
    deadLetter: { topic: moved, maxRedeliveries: 0 },
  });
  tired.negativeAcknowledge(await tired.receive(1), 0);
  const stop = new AbortController();
  const waiting = tired.receive(1, stop.signal).catch(() => undefined);
  await expect
    .poll(() => admin.topics.stats(`persistent://public/default/${moved}`).catch(() => undefined), { timeout: 20_000 })
    .toBeDefined();
  await expect
    .poll(async () => (await admin.topics.stats(`persistent://public/default/${moved}`)).msgInCounter, { timeout: 20_000 })
    .toBe(1);
  stop.abort();
  await waiting;
  await consumer.close();
  await broker.close();

  // One of which nobody knows any more when all producers have gone: once it is deleted, the others have been looked at too.
  const control = `persistent://public/default/${freshName('control')}`;
  const other = createPulsarBroker({ serviceUrl: real.serviceUrl });
  await (await other.createProducer({ topic: control })).send({ payload: Uint8Array.of(1) });
  await other.close();
  await expect.poll(() => admin.topics.stats(control).then(String, (error) => error.code), { timeout: 60_000 }).toBe('TOPIC_NOT_FOUND');

  const again = createPulsarBroker({ serviceUrl: real.serviceUrl });
  for (const name of [`${topic.name}-s-dlq`, moved]) {
    const letters = await again.subscribe({ topic: name, subscription: deadLetterSubscription, initialPosition: 'latest' });
    const [letter] = await letters.receive(1);
    expect(letter?.key).toBe('a');
  }
  await again.close();
});

it.each(clients)(
  'a dead letter is published where nobody may make a subscription, and it is said which one is missing: by %s',
  async (_what, open) => {
    const admin = createPulsarAdmin({ url: real.adminUrl });
    const namespace = `public/${freshName('closed')}`;
    await admin.namespaces.create(namespace);
    await admin.namespaces.setAutoSubscriptionCreation(namespace, false);
    const topic: Topic<Step> = { ...steps, name: freshName('steps') };
    const moved = freshName('moved');
    for (const subscription of ['s', 'tired'])
      await admin.subscriptions.create(`persistent://${namespace}/${topic.name}`, subscription, 'earliest');
    const said: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      error: (_, message) => {
        if (message.includes('"dead-letters"')) said.push(message);
      },
    };
    const broker = open(namespace, logger);
    const consumer = await createConsumer(broker, topic, {
      subscription: 's',
      logger,
      handler: async () => {
        throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
      },
    });
    const producer = await createProducer(broker, topic);
    await producer.send({ key: 'a', n: 1 });
    await expect.poll(() => consumer.status.inFlight, { timeout: 20_000 }).toBe(0);
    const tired = await broker.subscribe({
      topic: topic.name,
      subscription: 'tired',
      type: 'shared',
      deadLetter: { topic: moved, maxRedeliveries: 0 },
    });
    tired.negativeAcknowledge(await tired.receive(1), 0);
    const stop = new AbortController();
    const waiting = tired.receive(1, stop.signal).catch(() => undefined);
    for (const name of [`${topic.name}-s-dlq`, moved]) {
      const count = (): Promise<number> =>
        admin.topics.stats(`persistent://${namespace}/${name}`).then(
          (stats) => stats.msgInCounter,
          () => 0,
        );
      await expect.poll(count, { timeout: 20_000 }).toBe(1);
      expect(said.filter((message) => message.includes(`"${name}"`))).toHaveLength(1);
    }
    stop.abort();
    await waiting;
    await consumer.close();
    await broker.close();
  },
);
