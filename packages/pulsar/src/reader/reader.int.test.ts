import { expect, it, onTestFinished } from 'vitest';
import type { PulsarClient } from '../client/client.ts';
import { numbered, onStage, quiet, soon, take, takeTexts, textOf } from '../consumer/test-support.ts';
import { createFaultProxy } from '../testing/fault-proxy.ts';
import { freshTopic } from '../testing/test-support.ts';
import type { Reader, ReaderOptions } from './port.ts';

const stage = onStage();

async function read(options: ReaderOptions, client: PulsarClient = stage.client): Promise<Reader> {
  const reader = await client.createReader(options);
  onTestFinished(() => reader.close());
  return reader;
}

it('9.4.69, 9.4.70 says whether there is more to read, and reads it, from any start, inside batches too', async () => {
  const topic = freshTopic();
  const empty = await read({ topic, start: 'earliest' });
  const late = await read({ topic });
  expect(await empty.hasMessageAvailable()).toBe(false);
  expect(await late.hasMessageAvailable()).toBe(false);
  const ids = [...(await stage.send(topic, numbered('a', 3), { batching: false })), ...(await stage.send(topic, numbered('b', 3)))];
  expect(await empty.hasMessageAvailable()).toBe(true);
  expect(await late.hasMessageAvailable()).toBe(true);
  expect(await takeTexts(late, 6)).toEqual([...numbered('a', 3), ...numbered('b', 3)]);
  expect(await late.hasMessageAvailable()).toBe(false);

  const all = [...numbered('a', 3), ...numbered('b', 3)];
  for (const [at, id] of ids.entries()) {
    for (const startInclusive of [false, true]) {
      const reader = await read({ topic, start: id, startInclusive });
      const expected = all.slice(startInclusive ? at : at + 1);
      expect(await reader.hasMessageAvailable()).toBe(expected.length > 0);
      const texts: string[] = [];
      while (await reader.hasMessageAvailable()) texts.push(textOf(await reader.readNext()));
      expect(texts).toEqual(expected);
      await reader.close();
    }
  }
});

it('9.4.69 says so after a seek by time too', async () => {
  const topic = freshTopic();
  const before = Date.now();
  await stage.send(topic, numbered('m', 3), { batching: false });
  const reader = await read({ topic });
  expect(await reader.hasMessageAvailable()).toBe(false);
  await reader.seek({ timeMs: before - 1_000 });
  expect(await reader.hasMessageAvailable()).toBe(true);
  expect(await takeTexts({ receive: reader.readNext }, 3)).toEqual(numbered('m', 3));
  expect(await reader.hasMessageAvailable()).toBe(false);
  await reader.seek({ timeMs: Date.now() + 60_000 });
  expect(await reader.hasMessageAvailable()).toBe(false);
});

it('starts at a time, and leaves out what is older', async () => {
  const topic = freshTopic();
  await stage.send(topic, numbered('old', 3), { batching: false });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const timeMs = Date.now();
  await stage.send(topic, numbered('new', 3), { batching: false });
  const reader = await read({ topic, start: { timeMs } });
  expect(await takeTexts(reader, 3)).toEqual(numbered('new', 3));
  expect(await reader.hasMessageAvailable()).toBe(false);
});

it('9.4.70 goes on after a lost connection without loss or copy, inside batches too', async () => {
  const topic = freshTopic();
  const proxy = await createFaultProxy({ target: stage.serviceUrl });
  onTestFinished(() => proxy.close());
  const client = stage.newClient({ serviceUrl: proxy.serviceUrl });
  const ids = await stage.send(topic, numbered('m', 10));
  await stage.send(topic, numbered('m', 5, 10), { batching: false });
  await stage.send(topic, numbered('m', 10, 15));
  const reader = await read({ topic, start: ids[2]!, receiverQueueSize: 4 }, client);
  for (let at = 3; at < 25; at++) {
    expect(textOf(await reader.readNext({ timeoutMs: 10_000 }))).toBe(`m${at}`);
    if (at % 3 !== 0) continue;
    await expect.poll(() => proxy.cutAll(), soon).toBeGreaterThan(0);
  }
  expect(await quiet(reader)).toBe('nothing');
});

it('9.4.70 misses nothing after a lost connection before the first message', async () => {
  const topic = freshTopic();
  const proxy = await createFaultProxy({ target: stage.serviceUrl });
  onTestFinished(() => proxy.close());
  await stage.send(topic, ['before'], { batching: false });
  const reader = await read({ topic }, stage.newClient({ serviceUrl: proxy.serviceUrl }));
  proxy.refuse(true);
  proxy.cutAll();
  await expect.poll(() => reader.connected, soon).toBe(false);
  await stage.send(topic, numbered('m', 3), { batching: false });
  proxy.refuse(false);
  expect(await takeTexts(reader, 3)).toEqual(numbered('m', 3));
  expect(await quiet(reader)).toBe('nothing');
});

it('reads all partitions, iterates, and leaves no subscription behind', async () => {
  const topic = freshTopic();
  await stage.admin.topics.createPartitioned(topic, 3);
  await stage.send(topic, numbered('m', 30), { batching: false });
  const reader = await read({ topic, start: 'earliest' });
  const texts: string[] = [];
  for await (const message of reader) {
    texts.push(textOf(message));
    if (!(await reader.hasMessageAvailable())) break;
  }
  expect(texts.sort()).toEqual(numbered('m', 30).sort());
  expect((await reader.lastMessageIds()).length).toBe(3);
  await reader.seek('earliest');
  expect((await take(reader, 30)).length).toBe(30);
  expect(await stage.admin.subscriptions.list(`${topic}-partition-0`)).toHaveLength(1);
  await reader.close();
  await expect.poll(() => stage.admin.subscriptions.list(`${topic}-partition-0`), soon).toEqual([]);
});

it('moves to a message, and stays there over a lost connection', async () => {
  const topic = freshTopic();
  const proxy = await createFaultProxy({ target: stage.serviceUrl });
  onTestFinished(() => proxy.close());
  const ids = await stage.send(topic, numbered('m', 10));
  const reader = await read({ topic, start: 'earliest' }, stage.newClient({ serviceUrl: proxy.serviceUrl }));
  await take(reader, 8);
  await reader.seek(ids[3]!);
  proxy.cutAll();
  expect(await takeTexts(reader, 2)).toEqual(['m4', 'm5']);
  await reader.seek('earliest');
  expect(await takeTexts(reader, 2)).toEqual(['m0', 'm1']);
  await reader.seek('latest');
  expect(await reader.hasMessageAvailable()).toBe(false);
  await stage.send(topic, ['new']);
  expect(await takeTexts(reader, 1)).toEqual(['new']);
});
