import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshTopic } from '../testing/test-support.ts';
import { allClients, base64, type Clients } from './test-support.ts';

let all: Clients;
beforeAll(async () => {
  all = await allClients();
});
afterAll(() => all[Symbol.asyncDispose]());

/** 6 MiB, more than a broker takes at once, and no period that a chunk could hide behind. */
const large = Buffer.alloc(6 * 1024 * 1024);
for (let at = 0; at < large.length; at += 4) large.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);

describe.each(['none', 'zstd'] as const)('9.3.32 a message in chunks, compression %s', (compression) => {
  const theirs = compression === 'none' ? 'NONE' : 'ZSTD';

  it('is put together by Java and Python from us', async () => {
    const topic = freshTopic();
    const [id, small] = await all.send({ topic, compression, batching: false, chunking: { maxChunkBytes: 1_000_000 } }, [
      { value: large, key: 'k', properties: { a: 'b' } },
      { value: 'after' },
    ]);
    const java = await all.java.consume({ topic, count: 2 });
    expect(java[0]?.value === base64(large)).toBe(true);
    expect(java[0]).toMatchObject({ key: 'k', properties: { a: 'b' }, id: String(id) });
    expect(java[1]).toMatchObject({ value: base64('after'), id: String(small) });
    const python = await all.python.consume({ topic, count: 2 });
    expect(python[0]?.value === base64(large)).toBe(true);
    expect(python[0]).toMatchObject({ key: 'k', properties: { a: 'b' } });
  });

  it('is put together by us from Java and Python', async () => {
    const topic = freshTopic();
    const value = base64(large);
    const [id] = await all.java.produce({
      topic,
      compression: theirs,
      chunking: true,
      chunkBytes: 1_000_000,
      messages: [{ value, key: 'k' }],
    });
    await all.python.produce({ topic, compression: theirs, chunking: true, messages: [{ value, key: 'k' }] });
    const received = await all.receive(topic, 2);
    expect(received.map(({ data, key }) => [data.equals(large), key])).toEqual([
      [true, 'k'],
      [true, 'k'],
    ]);
    expect(String(received[0]?.id)).toBe(id);
  });
});
