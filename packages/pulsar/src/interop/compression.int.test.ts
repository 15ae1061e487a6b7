import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompressionName } from '../compression/codecs.ts';
import { freshTopic } from '../testing/test-support.ts';
import { allClients, base64, type Clients } from './test-support.ts';

let all: Clients;
beforeAll(async () => {
  all = await allClients();
});
afterAll(() => all[Symbol.asyncDispose]());

/** Bytes that no codec makes smaller. */
const noise = Buffer.from(Array.from({ length: 3_000 }, (_, index) => (Math.imul(index + 1, 2_654_435_761) >>> 16) & 0xff));
const payloads: readonly Buffer[] = [
  Buffer.from('zażółć gęślą jaźń '.repeat(300)),
  noise,
  Buffer.from('x'),
  Buffer.alloc(70_000, 7),
  Buffer.concat([noise, Buffer.alloc(40_000), noise]),
  Buffer.from(JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ id, state: id % 3 === 0 ? 'OPEN' : 'PAID', total: id * 17 })))),
];
const expected = payloads.map(base64);

describe.concurrent.each(['none', 'lz4', 'zlib', 'zstd', 'snappy'] as const satisfies readonly CompressionName[])(
  '9.3.27 %s',
  (compression) => {
    const theirs = compression.toUpperCase() as Uppercase<typeof compression>;
    const messages = expected.map((value) => ({ value }));

    describe.each([false, true])('batched: %s', (batched) => {
      it('what we compress Java and Python read', async () => {
        const topic = freshTopic();
        const ids = await all.send(
          { topic, compression, batching: batched && { maxDelayMs: 20 } },
          payloads.map((value) => ({ value })),
        );
        expect(new Set(ids.map(({ entryId }) => entryId)).size).toBe(batched ? 2 : payloads.length);
        const [java, python] = await Promise.all([
          all.java.consume({ topic, count: payloads.length }),
          all.python.consume({ topic, count: payloads.length }),
        ]);
        expect(java.map(({ value }) => value)).toEqual(expected);
        expect(python.map(({ value }) => value)).toEqual(expected);
      });

      it('what Java and Python compress we read', async () => {
        const topic = freshTopic();
        await all.java.produce({ topic, compression: theirs, batching: batched, messages });
        await all.python.produce({ topic, compression: theirs, batching: batched, messages });
        const received = await all.receive(topic, 2 * payloads.length);
        expect(received.map(({ data }) => base64(data))).toEqual([...expected, ...expected]);
      });
    });
  },
);
