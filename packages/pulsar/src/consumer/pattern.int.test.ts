import { expect, it } from 'vitest';
import { onStage, soon, take, takeTexts, textOf } from './test-support.ts';

const stage = onStage();
let names = 0;

function freshPrefix(): string {
  names += 1;
  return `pattern-${process.pid}-${Date.now().toString(36)}-${names}`;
}

it('9.4.75 receives from topics that match, those created later within a second, and lets go of deleted ones', async () => {
  const prefix = freshPrefix();
  const name = (local: string): string => `persistent://public/default/${prefix}-${local}`;
  await stage.admin.topics.create(name('one'));
  await stage.admin.topics.createPartitioned(name('two'), 2);
  await stage.admin.topics.create(`persistent://public/default/other-${prefix}-x`);
  const consumer = await stage.subscribe({ topicsPattern: `public/default/${prefix}-.*`, subscription: 's', patternUpdateMs: 600_000 });
  expect([...consumer.topics].sort()).toEqual([name('one'), name('two-partition-0'), name('two-partition-1')]);
  await stage.send(name('one'), ['a']);
  expect(await takeTexts(consumer, 1)).toEqual(['a']);

  await stage.send(name('three'), ['b', 'c']);
  const start = performance.now();
  const messages = await take(consumer, 2);
  expect(performance.now() - start).toBeLessThan(3_000);
  expect(messages.map(textOf)).toEqual(['b', 'c']);
  await consumer.acknowledge(messages);

  await stage.admin.topics.delete(name('three'), { force: true });
  await expect.poll(() => [...consumer.topics].sort(), soon).toEqual([name('one'), name('two-partition-0'), name('two-partition-1')]);
  // The others go on.
  await stage.send(name('one'), ['d']);
  expect(await takeTexts(consumer, 1)).toEqual(['d']);
});

it('9.4.75 finds topics by looking for them where nobody tells', async () => {
  const prefix = freshPrefix();
  // A pattern with flags is one that brokers cannot match.
  const consumer = await stage.subscribe({
    topicsPattern: new RegExp(`public/default/${prefix.toUpperCase()}-.*`, 'i'),
    subscription: 's',
    patternUpdateMs: 100,
  });
  expect(consumer.topics).toEqual([]);
  const waiting = consumer.receive({ timeoutMs: 10_000 });
  await stage.send(`${prefix}-late`, ['a']);
  expect(textOf(await waiting)).toBe('a');
});

it('refuses patterns without a plain namespace', async () => {
  await expect(stage.client.subscribe({ topicsPattern: 'public/.*/x', subscription: 's' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await expect(stage.client.subscribe({ topicsPattern: 'public/default/(', subscription: 's' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});
