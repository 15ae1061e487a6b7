import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Database } from '../sql/port.ts';
import { createTestWorld, type TestWorld } from '../testing/test-world.ts';
import { createLeftToOthers } from './left-to-others.ts';
import type { OutboxRow } from './row.ts';

let world: TestWorld;

beforeEach(async () => {
  world = await createTestWorld();
});

afterEach(() => world[Symbol.asyncDispose]());

const rowsFrom1 = (count: number): OutboxRow[] =>
  Array.from({ length: count }, (_, at) => ({
    epoch: 1,
    seq: at + 1,
    events: 1,
    addedAtMs: 0,
    knownAtMs: 0,
    bytes: 0,
    left: 1,
    refused: 0,
    aside: 0,
  }));

/** A list of rows, and a table that shows those that `present` gives. */
function listOf(count: number, present: (seqs: readonly number[]) => readonly number[]) {
  const asked: string[] = [];
  let overAtMs: number | undefined;
  const database = {
    ...world.database,
    query: async (_sql: string, [, list]: readonly unknown[]) => {
      const seqs = JSON.parse(String(list)) as number[];
      asked.push(`${seqs[0]}..${seqs.at(-1)}`);
      return present(seqs).map((seq) => ({ seq }));
    },
  } as Database;
  const left = createLeftToOthers({
    database,
    clock: world.clock,
    giveUpMs: 20_000,
    regained: () => false,
    over: () => {
      overAtMs = world.clock.monotonic();
    },
  });
  left.add(rowsFrom1(count).reverse());
  return {
    asked,
    left,
    get overAtMs() {
      return overAtMs;
    },
  };
}

it('asks for the first thousand of many, and for the next as soon as those are gone', async () => {
  let gone = false;
  const list = listOf(2_500, (seqs) => (gone ? [] : seqs));
  await world.advance(100);
  expect(list.asked).toEqual(['1..1000', '1..1000']);
  gone = true;
  await world.advance(100);
  expect(list.asked.slice(2)).toEqual(['1..1000', '1001..2000', '2001..2500']);
  expect(list.left.some).toBe(false);
});

it('gives many up as soon as few', async () => {
  const few = listOf(1, (seqs) => seqs);
  const many = listOf(2_500, (seqs) => seqs);
  await world.advance(30_000);
  expect(few.overAtMs).toBeGreaterThanOrEqual(20_000);
  expect(many.overAtMs).toBe(few.overAtMs);
});
