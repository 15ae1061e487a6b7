import { createPulsarAdmin } from '@paystream/pulsar/admin';
import { beforeAll, expect, it } from 'vitest';
import { deadLetterSubscription } from '../broker/dead-letters.ts';
import type { Broker } from '../broker/port.ts';
import { createConsumer } from '../consumer/consumer.ts';
import { type Step, steps } from '../consumer/test-support.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
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

it.each<[string, () => Broker]>([
  ['our client', () => createPulsarBroker({ serviceUrl: real.serviceUrl })],
  ['the addon', () => createPulsarNativeBroker({ serviceUrl: real.serviceUrl, addon: addonUnderTest })],
])('a dead letter is there after its producer has gone and the broker has tidied up: by %s', async (_what, open) => {
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
