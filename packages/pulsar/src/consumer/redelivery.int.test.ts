import { expect, it } from 'vitest';
import { freshTopic } from '../testing/test-support.ts';
import { numbered, onStage, quiet, soon, take, takeTexts, textOf } from './test-support.ts';

const stage = onStage();

it('9.4.64 delivers what was given back again after the delay, with a higher count', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', type: 'shared', negativeAckDelayMs: 300 });
  await stage.send(topic, numbered('m', 3), { batching: false });
  const [one, two, three] = await take(consumer, 3);
  await one!.acknowledge();
  const start = performance.now();
  two!.negativeAcknowledge();
  // Acknowledged first: giving it back means nothing.
  await three!.acknowledge();
  three!.negativeAcknowledge();
  const [again] = await take(consumer, 1);
  expect(performance.now() - start).toBeGreaterThan(290);
  expect(textOf(again)).toBe('m1');
  expect(again!.redeliveryCount).toBe(1);
  await again!.acknowledge();
  expect(await quiet(consumer, 700)).toBe('nothing');
});

it('9.4.64 delivers a batch again for one of its messages, and with batch index acknowledgements what is left of it', async () => {
  const topic = freshTopic();
  for (const batchIndexAck of [false, true]) {
    const consumer = await stage.client.subscribe({
      topic,
      subscription: `s ${batchIndexAck}`,
      type: 'shared',
      initialPosition: 'earliest',
      batchIndexAck,
      ackGroupTimeMs: 10,
      negativeAckDelayMs: 300,
    });
    if (!batchIndexAck) await stage.send(topic, numbered('m', 4));
    const messages = await take(consumer, 4);
    for (const at of [0, 2, 3]) await messages[at]!.acknowledge();
    messages[1]!.negativeAcknowledge();
    messages[1]!.negativeAcknowledge();
    expect(await takeTexts(consumer, batchIndexAck ? 1 : 4)).toEqual(batchIndexAck ? ['m1'] : numbered('m', 4));
    expect(await quiet(consumer)).toBe('nothing');
    await consumer.close();
  }
});

it('9.4.64 waits longer with each delivery, if asked to', async () => {
  const topic = freshTopic();
  const negativeAckBackoff = { minMs: 100, multiplier: 3, maxMs: 600 };
  const consumer = await stage.subscribe({ topic, subscription: 's', type: 'shared', negativeAckBackoff });
  await stage.send(topic, ['m']);
  const gaps: number[] = [];
  let [message] = await take(consumer, 1);
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    message!.negativeAcknowledge();
    [message] = await take(consumer, 1);
    gaps.push(performance.now() - start);
  }
  expect(message!.redeliveryCount).toBe(3);
  expect(gaps[0]).toBeGreaterThanOrEqual(99);
  expect(gaps[1]).toBeGreaterThanOrEqual(299);
  expect(gaps[2]).toBeGreaterThanOrEqual(599);
});

it('9.4.64 delivers everything again in order on an exclusive subscription', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', negativeAckDelayMs: 200 });
  await stage.send(topic, numbered('m', 6), { batching: false });
  const messages = await take(consumer, 4);
  await messages[0]!.acknowledge();
  messages[2]!.negativeAcknowledge({ delayMs: 150 });
  await expect.poll(() => consumer.backlog(), soon).toBe(5);
  expect(await takeTexts(consumer, 2)).toEqual(['m4', 'm5']);
  expect(await takeTexts(consumer, 5)).toEqual(numbered('m', 5, 1));
});

it('9.4.65 delivers again what is not acknowledged in time, and nothing that is', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', type: 'shared', ackTimeoutMs: 1_000 });
  await stage.send(topic, numbered('m', 3), { batching: false });
  const messages = await take(consumer, 3);
  await messages[0]!.acknowledge();
  await messages[2]!.acknowledge();
  const [again] = await take(consumer, 1);
  expect(textOf(again)).toBe('m1');
  expect(again!.redeliveryCount).toBe(1);
  const [third] = await take(consumer, 1);
  expect(third!.redeliveryCount).toBe(2);
  await third!.acknowledge();
  expect(await quiet(consumer, 1_500)).toBe('nothing');
});

it('9.4.66 delivers everything again on demand, nothing late of what was on its way, and goes on', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', receiverQueueSize: 10 });
  await stage.send(topic, numbered('m', 100), { batching: false });
  for (let round = 0; round < 20; round++) {
    expect(await takeTexts(consumer, 15)).toEqual(numbered('m', 15));
    consumer.redeliverUnacknowledged();
  }
  const messages = await take(consumer, 100);
  expect(messages.map(textOf)).toEqual(numbered('m', 100));
  await consumer.acknowledgeCumulative(messages[99]!);
  const { subscriptions } = await stage.admin.topics.stats(topic);
  const [{ availablePermits } = { availablePermits: 0 }] = subscriptions['s']!.consumers;
  expect(availablePermits).toBeGreaterThanOrEqual(5);
  expect(availablePermits).toBeLessThanOrEqual(20);
});

it('9.4.66 delivers its own messages again on demand on a shared subscription', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', type: 'shared', receiverQueueSize: 10 });
  await stage.send(topic, numbered('m', 30), { batching: false });
  const first = await take(consumer, 5);
  await first[4]!.acknowledge();
  await expect.poll(() => consumer.backlog(), soon).toBe(29);
  consumer.redeliverUnacknowledged();
  expect((await takeTexts(consumer, 29)).sort()).toEqual(
    numbered('m', 30)
      .filter((text) => text !== 'm4')
      .sort(),
  );
});
