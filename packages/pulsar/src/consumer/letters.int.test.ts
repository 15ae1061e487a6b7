import { expect, it } from 'vitest';
import type { Message } from '../message/message.ts';
import { freshTopic } from '../testing/test-support.ts';
import { numbered, onStage, quiet, soon, take, takeTexts, textOf } from './test-support.ts';

const stage = onStage();

it('9.4.71 puts messages away, three times and then to the dead letters, with the properties of the Java client', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({
    topic,
    subscription: 's',
    type: 'shared',
    retryLetter: true,
    deadLetter: { maxRedeliveries: 3, initialSubscription: 'morgue' },
  });
  expect([...consumer.topics].sort()).toEqual([topic, `${topic}-s-RETRY`]);
  await using producer = await stage.client.createProducer({ topic, batching: false });
  const id = await producer.send({ value: 'm', key: 'k', properties: { own: 'yes' }, eventTimeMs: 77 });
  const seen: Message[] = [];
  for (let round = 0; round < 4; round++) {
    const [message] = await take(consumer, 1);
    seen.push(message!);
    const start = performance.now();
    await consumer.reconsumeLater(message!, { delayMs: 200, properties: { round: String(round) } });
    if (round < 3) {
      await expect.poll(() => consumer.backlog(), soon).toBe(1);
      expect(performance.now() - start).toBeLessThan(5_000);
    }
  }
  expect(seen.map(({ properties }) => properties['RECONSUMETIMES'])).toEqual([undefined, '1', '2', '3']);
  expect(seen.map((message) => message.topic)).toEqual([topic, ...new Array(3).fill(`${topic}-s-RETRY`)]);
  expect(seen[3]).toMatchObject({ key: 'k', eventTimeMs: 77 });
  expect(seen[3]!.properties).toEqual({
    own: 'yes',
    round: '2',
    RECONSUMETIMES: '3',
    DELAY_TIME: '200',
    REAL_TOPIC: topic,
    REAL_SUBSCRIPTION: 's',
    ORIGIN_MESSAGE_ID: id.toString(),
    ORIGIN_MESSAGE_IDY_TIME: id.toString(),
  });
  expect(await quiet(consumer)).toBe('nothing');
  await expect.poll(() => consumer.backlog(), soon).toBe(0);
  // The subscription was there before the letter.
  const dead = await stage.subscribe({ topic: `${topic}-s-DLQ`, subscription: 'morgue' });
  const [letter] = await take(dead, 1);
  expect(letter).toMatchObject({ key: 'k', eventTimeMs: 77 });
  expect(textOf(letter)).toBe('m');
  expect(letter!.properties).toMatchObject({
    own: 'yes',
    round: '3',
    RECONSUMETIMES: '4',
    REAL_TOPIC: topic,
    ORIGIN_MESSAGE_ID: id.toString(),
  });
});

it('9.4.71 waits as long as it was asked to', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', type: 'shared', retryLetter: { topic: `${topic}-again` } });
  await stage.send(topic, ['m']);
  const [message] = await take(consumer, 1);
  const start = Date.now();
  await consumer.reconsumeLater(message!, { delayMs: 1_500 });
  const [again] = await take(consumer, 1);
  expect(Date.now() - start).toBeGreaterThanOrEqual(1_400);
  expect(again!.topic).toBe(`${topic}-again`);
});

it('refuses to put messages away without a retry topic', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's' });
  await stage.send(topic, ['m']);
  const [message] = await take(consumer, 1);
  await expect(consumer.reconsumeLater(message!)).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
});

it('9.4.72 sends what was given back too often to the dead letters, and acknowledges it', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({
    topic,
    subscription: 's',
    type: 'shared',
    negativeAckDelayMs: 100,
    deadLetter: { maxRedeliveries: 2, initialSubscription: 'morgue' },
  });
  const [good, bad] = await stage.send(topic, ['good', 'bad'], { batching: false, keys: ['a', 'b'] });
  let deliveries = 0;
  while (deliveries < 3) {
    const [message] = await take(consumer, 1);
    if (textOf(message) === 'good') await message!.acknowledge();
    else {
      expect(message!.redeliveryCount).toBe(deliveries);
      deliveries += 1;
      message!.negativeAcknowledge();
    }
  }
  await expect.poll(() => stage.admin.subscriptions.list(`${topic}-s-DLQ`).catch(() => []), soon).toEqual(['morgue']);
  const dead = await stage.subscribe({ topic: `${topic}-s-DLQ`, subscription: 'morgue' });
  const [letter] = await take(dead, 1);
  expect(textOf(letter)).toBe('bad');
  expect(letter!.key).toBe('b');
  expect(letter!.properties).toEqual({
    REAL_TOPIC: topic,
    REAL_SUBSCRIPTION: 's',
    ORIGIN_MESSAGE_ID: String(bad),
    ORIGIN_MESSAGE_IDY_TIME: String(bad),
  });
  expect(letter!.producerName).toMatch(new RegExp(`-s-${consumer.name}-.{5}-DLQ$`));
  expect(await quiet(consumer)).toBe('nothing');
  expect(await quiet(dead, 100)).toBe('nothing');
  await expect.poll(() => consumer.backlog(), soon).toBe(0);
  expect(good).toBeDefined();
});

it('9.4.72 sends all that is left of a batch to the dead letters', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({
    topic,
    subscription: 's',
    type: 'key_shared',
    negativeAckDelayMs: 100,
    deadLetter: { maxRedeliveries: 1, topic: `${topic}-dead`, initialSubscription: 'morgue' },
  });
  await stage.send(topic, numbered('m', 3));
  for (const message of await take(consumer, 3)) message.negativeAcknowledge();
  const again = await take(consumer, 3);
  await again[1]!.acknowledge();
  again[0]!.negativeAcknowledge();
  await expect.poll(() => consumer.backlog(), soon).toBe(0);
  const dead = await stage.subscribe({ topic: `${topic}-dead`, subscription: 'morgue' });
  expect(await takeTexts(dead, 2)).toEqual(['m0', 'm2']);
});
