import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createMemoryTelemetry } from '../testing/memory-telemetry.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createBatcher } from './batcher.ts';

describe('batcher', () => {
  it('gathers what is submitted in one turn, and what comes while a batch is under way', async () => {
    const clock = createVirtualClock();
    const batches: number[][] = [];
    const batcher = createBatcher<number, number>({
      run: async (items) => {
        batches.push([...items]);
        await clock.sleep(10);
        return items.map((item) => item * 2);
      },
    });
    const first = Promise.all([1, 2, 3].map((n) => batcher.submit(n)));
    await clock.settle();
    const second = Promise.all([4, 5].map((n) => batcher.submit(n)));
    expect(batcher.pending).toBe(5);
    await clock.advance(20);
    expect(await first).toEqual([2, 4, 6]);
    expect(await second).toEqual([8, 10]);
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    expect(batcher.pending).toBe(0);
  });

  it('gives each caller its own result or the error that it alone caused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 50 }), fc.integer({ min: 1, max: 20 }), async (faults, maxSize) => {
        let largest = 0;
        const batcher = createBatcher<number, string>({
          maxSize,
          run: async (items) => {
            largest = Math.max(largest, items.length);
            const wrong = items.find((item) => faults[item]);
            if (wrong !== undefined) throw new PaystreamError('INVALID_ARGUMENT', `fault of ${wrong}`, { reason: 'FAULT' });
            return items.map((item) => `done ${item}`);
          },
        });
        const results = await Promise.allSettled(faults.map((_, item) => batcher.submit(item)));
        results.forEach((result, item) => {
          if (faults[item]) expect(result).toMatchObject({ status: 'rejected', reason: { message: `fault of ${item}` } });
          else expect(result).toEqual({ status: 'fulfilled', value: `done ${item}` });
        });
        expect(largest).toBeLessThanOrEqual(maxSize);
      }),
      { numRuns: 50 },
    );
  });

  it('fails all at once in an outage, without asking again for each', async () => {
    let calls = 0;
    const batcher = createBatcher<number, number>({
      run: async () => {
        calls += 1;
        throw new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' });
      },
    });
    const results = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => batcher.submit(n)));
    expect(results.every((result) => result.status === 'rejected' && result.reason.code === 'UNAVAILABLE')).toBe(true);
    expect(calls).toBe(1);
  });

  it('runs each item by itself after a wait for a lock, so that it waits for the lock once more and not at every split', async () => {
    const runs: number[][] = [];
    const batcher = createBatcher<number, number>({
      run: async (items) => {
        runs.push([...items]);
        if (items.includes(1)) throw new PaystreamError('ABORTED', 'another transaction held a row', { reason: 'TEST' });
        return items;
      },
    });
    const results = await Promise.allSettled([0, 1, 2, 3].map((item) => batcher.submit(item)));
    expect(runs).toEqual([[0, 1, 2, 3], [0], [1], [2], [3]]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  });

  it('asks no further in an outage that begins while a batch is split', async () => {
    const runs: number[][] = [];
    const batcher = createBatcher<number, number>({
      run: async (items) => {
        runs.push([...items]);
        throw new PaystreamError(items.length > 1 ? 'ABORTED' : 'UNAVAILABLE', 'no', { reason: 'TEST' });
      },
    });
    const results = await Promise.allSettled([0, 1, 2, 3].map((item) => batcher.submit(item)));
    expect(runs).toEqual([[0, 1, 2, 3], [0]]);
    expect(results).toMatchObject(Array(4).fill({ status: 'rejected', reason: { code: 'UNAVAILABLE' } }));
  });

  it('refuses more than may wait, at once', async () => {
    const clock = createVirtualClock();
    const batcher = createBatcher<number, number>({
      maxWaiting: 2,
      run: async (items) => {
        await clock.sleep(10);
        return items;
      },
    });
    const taken = [batcher.submit(1), batcher.submit(2)];
    await expect(batcher.submit(3)).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'QUEUE_FULL' });
    await clock.advance(10);
    expect(await Promise.all(taken)).toEqual([1, 2]);
  });

  it('runs no more batches at once than it was allowed', async () => {
    const clock = createVirtualClock();
    let running = 0;
    let most = 0;
    const batcher = createBatcher<number, number>({
      maxSize: 2,
      concurrency: 3,
      run: async (items) => {
        most = Math.max(most, ++running);
        await clock.sleep(10);
        running -= 1;
        return items;
      },
    });
    const all = Promise.all(Array.from({ length: 20 }, (_, n) => batcher.submit(n)));
    await clock.advance(1_000);
    expect(await all).toHaveLength(20);
    expect(most).toBe(3);
  });

  it('waits for what is under way and what waits when it is closed, and takes nothing more', async () => {
    const clock = createVirtualClock();
    const log: string[] = [];
    const batcher = createBatcher<number, number>({
      maxSize: 1,
      run: async (items) => {
        await clock.sleep(10);
        log.push(`ran ${items[0]}`);
        return items;
      },
    });
    const submitted = [batcher.submit(1), batcher.submit(2)];
    const closed = batcher.close().then(() => log.push('closed'));
    await expect(batcher.submit(3)).rejects.toMatchObject({ code: 'CANCELED' });
    await clock.advance(100);
    await closed;
    await Promise.all(submitted);
    expect(log).toEqual(['ran 1', 'ran 2', 'closed']);
    await batcher.close();
  });

  it('tells every caller when a batch gives too few results', async () => {
    const batcher = createBatcher<number, number>({ run: async () => [] });
    const results = await Promise.allSettled([batcher.submit(1), batcher.submit(2)]);
    expect(results).toMatchObject([{ reason: { reason: 'BATCH_MISMATCH' } }, { reason: { reason: 'BATCH_MISMATCH' } }]);
  });

  it('runs a batch in the trace of its only caller; one of several is linked with all of them', async () => {
    const telemetry = createMemoryTelemetry();
    const seen: (string | undefined)[] = [];
    const batcher = createBatcher<number, number>({
      name: 'numbers',
      telemetry,
      run: async (items) => {
        seen.push(telemetry.current()?.traceparent);
        return items;
      },
    });
    const [one, two] = [telemetry.startSpan('one'), telemetry.startSpan('two')];
    await one.run(() => batcher.submit(1));
    await Promise.all([one.run(() => batcher.submit(1)), two.run(() => batcher.submit(2)), batcher.submit(3)]);
    await batcher.submit(4);
    const batches = telemetry.spans.filter(({ name }) => name === 'batch numbers');
    expect(batches).toMatchObject([
      { parent: { traceparent: one.traceparent }, links: [], ended: true },
      { parent: undefined, links: [{ traceparent: one.traceparent }, { traceparent: two.traceparent }], ended: true },
    ]);
    expect(seen).toEqual([...batches.map(({ traceparent }) => traceparent), undefined]);
  });

  it('tells how many wait, how many share a batch, and when one is split', async () => {
    const telemetry = createMemoryTelemetry();
    const run = async (items: readonly number[]): Promise<readonly number[]> => {
      if (items.includes(3)) throw new PaystreamError('INVALID_ARGUMENT', 'no 3', { reason: 'THREE' });
      return items;
    };
    const batcher = createBatcher<number, number>({ name: 'numbers', telemetry, run });
    const all = Promise.allSettled([1, 2, 3].map((n) => batcher.submit(n)));
    expect(telemetry.gaugeValue('paystream_batcher_waiting', { batcher: 'numbers' })).toBe(3);
    expect((await all).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(telemetry.gaugeValue('paystream_batcher_waiting')).toBe(0);
    expect(telemetry.observations('paystream_batcher_batch_size')).toEqual([3]);
    expect(telemetry.counter('paystream_batcher_splits_total')).toBe(2);
  });
});
