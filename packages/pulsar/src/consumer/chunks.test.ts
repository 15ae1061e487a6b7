import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { ChunkPosition } from '../message/entry.ts';
import { type ChunkOptions, ChunkStore } from './chunks.ts';

beforeEach(() => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
});

interface SetUp {
  readonly store: ChunkStore;
  readonly acknowledged: string[];
  readonly abandoned: string[];
  /** Adds a chunk of three; returns the message if it was the last. */
  add(uuid: string, chunkId: number, entryId: number, ageMs?: number): string | undefined;
}

function setUp(options: Partial<ChunkOptions> = {}): SetUp {
  const acknowledged: string[] = [];
  const abandoned: string[] = [];
  const note = (to: string[]) => (positions: readonly ChunkPosition[]) => void to.push(...positions.map(({ entryId }) => String(entryId)));
  const store = new ChunkStore({
    maxPending: 2,
    expiryMs: 60_000,
    autoAckOldest: false,
    acknowledge: note(acknowledged),
    abandon: note(abandoned),
    ...options,
  });
  return {
    store,
    acknowledged,
    abandoned,
    add(uuid, chunkId, entryId, ageMs = 0) {
      const position = { ledgerId: 1n, entryId: BigInt(entryId) };
      const payload = Buffer.from(`${uuid}${chunkId}`);
      const assembled = store.add({ uuid, chunkId, count: 3, totalSize: 6, publishTimeMs: Date.now() - ageMs, position, payload });
      return assembled?.payload.toString();
    },
  };
}

it('puts messages together whose chunks come in between each other', () => {
  const { add, acknowledged, abandoned } = setUp();
  expect([add('a', 0, 0), add('b', 0, 1), add('a', 1, 2), add('b', 1, 3)]).toEqual([undefined, undefined, undefined, undefined]);
  expect([add('a', 2, 4), add('b', 2, 5)]).toEqual(['a0a1a2', 'b0b1b2']);
  expect([acknowledged, abandoned]).toEqual([[], []]);
  expect(vi.getTimerCount()).toBe(0);
});

it('drops what its producer never finished, so that it does not hold up the backlog', () => {
  const { add, acknowledged } = setUp();
  add('a', 0, 0);
  add('a', 1, 1);
  vi.advanceTimersByTime(30_000);
  add('b', 0, 2);
  vi.advanceTimersByTime(30_000);
  expect(acknowledged).toEqual(['0', '1']);
  expect([add('b', 1, 3), add('b', 2, 4)]).toEqual([undefined, 'b0b1b2']);
});

it('gives up the oldest for another one: delivered again, or acknowledged if it was told to', () => {
  for (const autoAckOldest of [false, true]) {
    const { add, acknowledged, abandoned } = setUp({ autoAckOldest });
    add('a', 0, 0);
    add('b', 0, 1);
    add('c', 0, 2);
    expect([acknowledged, abandoned]).toEqual(autoAckOldest ? [['0'], []] : [[], ['0']]);
  }
});

it('acknowledges copies of chunks, and begins again where the same entry is delivered again', () => {
  const { add, acknowledged, abandoned } = setUp();
  add('a', 0, 0);
  add('a', 1, 1);
  // Another entry: the producer sent it twice.
  add('a', 1, 7);
  expect(acknowledged).toEqual(['7']);
  // The same entry: the broker delivers it again.
  add('a', 0, 0);
  add('a', 1, 1);
  expect(add('a', 2, 2)).toBe('a0a1a2');
  expect([acknowledged, abandoned]).toEqual([['7'], []]);
});

it('leaves a message whose beginning is missing for another delivery, unless it is too old for that', () => {
  const { add, acknowledged, abandoned } = setUp();
  add('a', 1, 1);
  add('b', 1, 2, 70_000);
  expect([acknowledged, abandoned]).toEqual([['2'], ['1']]);
  add('c', 0, 3);
  // A chunk is missing in the middle.
  add('c', 2, 5);
  expect(abandoned).toEqual(['1', '3', '5']);
});
