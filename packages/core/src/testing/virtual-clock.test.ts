import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createVirtualClock } from './virtual-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('virtual clock', () => {
  it('fires timers in the order of their due times, equal ones as they were set', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.boolean()), { maxLength: 300 }), async (delays) => {
        const clock = createVirtualClock({ quietTurns: 1 });
        const fired: number[] = [];
        delays.forEach(([delay, cancel], index) => {
          const timer = clock.setTimer(delay, () => fired.push(index));
          if (cancel) timer.cancel();
        });
        const expected = delays
          .map(([delay, cancel], index) => ({ delay, cancel, index }))
          .filter((timer) => !timer.cancel)
          .sort((a, b) => a.delay - b.delay || a.index - b.index);
        expect(clock.pendingTimers).toBe(expected.length);
        await clock.advance(20);
        expect(fired).toEqual(expected.map((timer) => timer.index));
        expect(clock.pendingTimers).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  it('fires no timer before its time and says the due time while it fires', async () => {
    const clock = createVirtualClock({ startMs: 1_000 });
    const seen: number[] = [];
    clock.setTimer(100, () => seen.push(clock.now()));
    await clock.advance(99);
    expect(seen).toEqual([]);
    await clock.advance({ seconds: 1 });
    expect(seen).toEqual([1_100]);
    expect(clock.now()).toBe(2_099);
    expect(clock.monotonic()).toBe(1_099);
  });

  it('lets work of many turns and real I/O finish between two timers', async () => {
    const clock = createVirtualClock();
    const log: string[] = [];
    const work = async (name: string): Promise<void> => {
      log.push(`${name} starts`);
      for (let i = 0; i < 10; i++) await turn();
      await readFile(new URL(import.meta.url));
      await clock.sleep(5);
      log.push(`${name} ends at ${clock.monotonic()}`);
    };
    clock.setTimer(10, () => void work('first'));
    clock.setTimer(20, () => void work('second'));
    await clock.advance({ minutes: 1 });
    expect(log).toEqual(['first starts', 'first ends at 15', 'second starts', 'second ends at 25']);
  });

  it('lets no time pass while work is held, however long it takes and however it ends', async () => {
    const clock = createVirtualClock();
    const fired: number[] = [];
    clock.setTimer(10, () => fired.push(clock.now()));
    const answers = [Promise.withResolvers<string>(), Promise.withResolvers<string>()] as const;
    const held = Promise.allSettled(answers.map(({ promise }) => clock.hold(promise)));
    const advanced = clock.advance(20);
    const manyTurns = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) await turn();
    };
    await manyTurns();
    answers[0].reject(new Error('lost'));
    await manyTurns();
    expect(clock.monotonic()).toBe(0);
    answers[1].resolve('answer');
    await advanced;
    expect(fired).toHaveLength(1);
    expect(await held).toEqual([
      { status: 'rejected', reason: new Error('lost') },
      { status: 'fulfilled', value: 'answer' },
    ]);
  });

  it('ends a sleep at once when its signal is aborted, and sets no timer for one that was', async () => {
    const clock = createVirtualClock();
    const controller = new AbortController();
    const slept = clock.sleep(1_000, controller.signal);
    controller.abort(new Error('stop'));
    await expect(slept).rejects.toThrow('stop');
    await expect(clock.sleep(1_000, controller.signal)).rejects.toThrow('stop');
    expect(clock.pendingTimers).toBe(0);
  });

  it('runs until a condition holds and no further', async () => {
    const clock = createVirtualClock();
    let count = 0;
    const tick = (): void => {
      count += 1;
      clock.setTimer(1_000, tick);
    };
    clock.setTimer(1_000, tick);
    await clock.runUntil(() => count === 3);
    expect(clock.monotonic()).toBe(3_000);
    await expect(clock.runUntil(() => false, { maxMs: 10_000 })).rejects.toThrow('after 10000 ms');
    expect(count).toBe(13);
  });

  it('says so when nothing is left that could make a condition hold', async () => {
    const clock = createVirtualClock();
    await expect(clock.runUntil(() => false)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: 'CONDITION_NOT_REACHED' });
  });

  it('hands on what a timer throws', async () => {
    const clock = createVirtualClock();
    clock.setTimer(1, () => {
      throw new Error('broken');
    });
    await expect(clock.advance(1)).rejects.toThrow('broken');
    await clock.advance(1);
    expect(clock.monotonic()).toBe(2);
  });

  it('moves for one caller after the other', async () => {
    const clock = createVirtualClock();
    await Promise.all([clock.advance(10), clock.advance(20)]);
    expect(clock.monotonic()).toBe(30);
  });
});
