import { expect, it } from 'vitest';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import type { OutboxRow } from './row.ts';
import { createWatcher } from './watcher.ts';

const row = (seq: number): OutboxRow => ({ epoch: 1, seq, events: 1, addedAtMs: 0, knownAtMs: 0, bytes: 0, left: 1, refused: 0, aside: 0 });

it('looks soon for a transaction that is quick, seldom for one that is slow, and leaves one that ends never to the sweeps', async () => {
  const clock = createVirtualClock();
  const started = clock.monotonic();
  const looks: string[] = [];
  const found = new Set<number>();
  const watcher = createWatcher({
    clock,
    giveUpMs: 200,
    look: async (rows) => {
      looks.push(`${clock.monotonic() - started}: ${rows.map(({ seq }) => seq).join(' ')}`);
      return rows.filter(({ seq }) => found.has(seq));
    },
  });
  watcher.watch(row(1));
  watcher.watch(row(2));
  await clock.advance(15);
  found.add(2);
  await clock.advance(1_000);
  expect(looks).toEqual(['10: 1 2', '30: 1 2', '70: 1', '150: 1', '310: 1']);
  watcher.stop();
});

it('goes on looking after it could not', async () => {
  const clock = createVirtualClock();
  let looks = 0;
  const watcher = createWatcher({
    clock,
    giveUpMs: 1_000,
    look: async (rows) => {
      looks += 1;
      if (looks === 1) throw new Error('the database is away');
      return rows;
    },
  });
  watcher.watch(row(1));
  await clock.advance(1_000);
  expect(looks).toBe(2);
  watcher.stop();
});

it('looks soon for a new row although an older one is looked for seldom by now', async () => {
  const clock = createVirtualClock();
  const started = clock.monotonic();
  const looks: string[] = [];
  const watcher = createWatcher({
    clock,
    giveUpMs: 200,
    look: async (rows) => {
      looks.push(`${clock.monotonic() - started}: ${rows.map(({ seq }) => seq).join(' ')}`);
      return rows.filter(({ seq }) => seq === 2);
    },
  });
  watcher.watch(row(1));
  await clock.advance(160);
  watcher.watch(row(2));
  await clock.advance(1_000);
  expect(looks).toEqual(['10: 1', '30: 1', '70: 1', '150: 1', '170: 2', '310: 1']);
  watcher.stop();
});
