import { expect, it, onTestFinished } from 'vitest';
import type { PulsarError } from '../errors/pulsar-error.ts';
import { createFaultProxy } from '../testing/fault-proxy.ts';
import { freshTopic } from '../testing/test-support.ts';
import { numbered, onStage, soon, take, takeTexts, textOf } from './test-support.ts';

const stage = onStage('small');

it('9.4.79 numbers messages, and says when the broker took them, where the broker tells', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's' });
  const before = Date.now();
  await stage.send(topic, numbered('a', 3), { batching: false });
  await stage.send(topic, numbered('b', 4));
  await stage.send(topic, numbered('c', 2), { batching: false, compression: 'lz4' });
  const messages = await take(consumer, 9);
  const after = Date.now();
  expect(messages.map(textOf)).toEqual([...numbered('a', 3), ...numbered('b', 4), ...numbered('c', 2)]);
  expect(messages.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  for (const { brokerPublishTimeMs } of messages) {
    expect(brokerPublishTimeMs).toBeGreaterThanOrEqual(before);
    expect(brokerPublishTimeMs).toBeLessThanOrEqual(after);
  }
});

it('9.4.78, 9.4.79 passes over an entry whose checksum is wrong, behind what the broker adds to it, and goes on', async () => {
  const topic = freshTopic();
  const large = Buffer.alloc(200_000, 'x').toString();
  const first = await stage.subscribe({ topic, subscription: 's' });
  await stage.send(topic, ['before'], { batching: false });
  await stage.send(topic, [large], { batching: false });
  await stage.send(topic, ['after'], { batching: false });
  await first.close();
  const proxy = await createFaultProxy({ target: stage.serviceUrl, faults: { corrupt: { direction: 'down', at: 100_000 } } });
  onTestFinished(() => proxy.close());
  const errors: PulsarError[] = [];
  const events = { onError: (error: PulsarError) => errors.push(error) };
  const consumer = await stage.subscribe({ topic, subscription: 's', events }, stage.newClient({ serviceUrl: proxy.serviceUrl }));
  expect(await takeTexts(consumer, 2)).toEqual(['before', 'after']);
  expect(errors).toMatchObject([{ code: 'CORRUPT', message: expect.stringContaining('checksum') }]);
  // It counts as consumed: what cannot be read must not come again for ever.
  await expect.poll(() => consumer.backlog(), soon).toBe(2);
});
