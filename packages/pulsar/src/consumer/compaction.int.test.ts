import { expect, it } from 'vitest';
import { freshTopic } from '../testing/test-support.ts';
import { numbered, onStage, quiet, soon, take, takeTexts, textOf } from './test-support.ts';

const stage = onStage();

async function compact(topic: string): Promise<void> {
  await stage.admin.topics.compact(topic);
  await expect.poll(() => stage.admin.topics.compactionStatus(topic), { timeout: 30_000 }).toBe('SUCCESS');
}

it('9.4.80 leaves out what was compacted away of a batch, and never stalls over it', async () => {
  const topic = freshTopic();
  const all = { topic, subscription: 'all', initialPosition: 'earliest', receiverQueueSize: 4 } as const;
  const whole = await stage.subscribe(all);
  // In each batch the last of a key counts: of the first only z is the last of all.
  await stage.send(topic, ['z0', ...numbered('a', 9)], { keys: ['z', ...new Array<string>(9).fill('a')] });
  for (let round = 0; round < 10; round++) {
    await stage.send(topic, [`b${round}`, `c${round}`, `b${round}!`], { keys: ['b', 'c', 'b'] });
  }
  await stage.send(topic, ['a9'], { keys: ['a'], batching: false });
  await compact(topic);

  const consumer = await stage.subscribe({ ...all, subscription: 'compacted', readCompacted: true });
  const last = ['z0', 'b9!', 'c9', 'a9'];
  expect((await takeTexts(consumer, 4)).sort()).toEqual([...last].sort());
  await stage.send(topic, numbered('new', 20), { keys: numbered('n', 20) });
  const fresh = await take(consumer, 20);
  expect(fresh.map(textOf)).toEqual(numbered('new', 20));
  await consumer.acknowledgeCumulative(fresh[19]!);
  await expect.poll(() => consumer.backlog(), soon).toBe(0);
  expect(await quiet(consumer)).toBe('nothing');

  // Whoever does not ask for it gets everything.
  expect((await take(whole, 1 + 9 + 30 + 1 + 20)).length).toBe(61);
  const reader = await stage.client.createReader({ topic, start: 'earliest', readCompacted: true });
  const read: string[] = [];
  while (await reader.hasMessageAvailable()) read.push(textOf(await reader.readNext()));
  await reader.close();
  expect(read.sort()).toEqual([...last, ...numbered('new', 20)].sort());
});
