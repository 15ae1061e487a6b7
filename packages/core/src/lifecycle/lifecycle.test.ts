import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createLifecycle } from './lifecycle.ts';
import type { Component, Running } from './port.ts';

function recorded(log: string[]): (name: string, running?: Partial<Running>, start?: () => Promise<void>) => Component {
  return (name, running = {}, start = async () => undefined) => ({
    name,
    start: async () => {
      log.push(`start ${name}`);
      await start();
      return {
        ...running,
        close: async (timeoutMs) => {
          log.push(`close ${name}`);
          await running.close?.(timeoutMs);
        },
      };
    },
  });
}

describe('lifecycle', () => {
  it('starts in order, each when the one before is ready, and stops in the reverse', async () => {
    const clock = createVirtualClock();
    const log: string[] = [];
    const part = recorded(log);
    const lifecycle = createLifecycle(
      [part('database', {}, () => clock.sleep(100).then(() => void log.push('database is ready'))), part('broker'), part('server')],
      { clock },
    );
    const started = lifecycle.start();
    await clock.settle();
    expect(await lifecycle.health()).toMatchObject({
      ready: false,
      components: [{ name: 'database', state: 'starting' }, { state: 'stopped' }, { state: 'stopped' }],
    });
    await clock.advance(100);
    await started;
    expect((await lifecycle.health()).ready).toBe(true);
    await lifecycle.stop();
    await lifecycle.stop();
    expect(log).toEqual([
      'start database',
      'database is ready',
      'start broker',
      'start server',
      'close server',
      'close broker',
      'close database',
    ]);
    await expect(lifecycle.start()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('stops what was started when one fails to start, and throws why', async () => {
    const log: string[] = [];
    const part = recorded(log);
    const lifecycle = createLifecycle([part('a'), part('b', {}, () => Promise.reject(new Error('port taken'))), part('c')], {
      clock: createVirtualClock(),
    });
    await expect(lifecycle.start()).rejects.toThrow('port taken');
    expect(log).toEqual(['start a', 'start b', 'close a']);
    expect((await lifecycle.health()).components).toEqual([
      { name: 'a', state: 'stopped', detail: 'it is stopped' },
      { name: 'b', state: 'failed', detail: 'UNEXPECTED: port taken' },
      { name: 'c', state: 'stopped', detail: 'it is stopped' },
    ]);
  });

  it('says which component does not do its work now, one that does not answer included', async () => {
    const clock = createVirtualClock();
    const part = recorded([]);
    const lifecycle = createLifecycle(
      [
        part('good', { check: async () => undefined }),
        part('bad', { check: () => Promise.reject(new Error('disk full')) }),
        part('hangs', { check: () => new Promise(() => undefined) }),
      ],
      { clock, checkTimeoutMs: 500 },
    );
    await lifecycle.start();
    const health = lifecycle.health();
    await clock.advance(500);
    expect(await health).toEqual({
      ready: false,
      components: [
        { name: 'good', state: 'ready' },
        { name: 'bad', state: 'degraded', detail: 'UNEXPECTED: disk full' },
        { name: 'hangs', state: 'degraded', detail: 'TIMED_OUT: its check took longer than 500 ms' },
      ],
    });
  });

  it('stays ready while something is degraded that it can do without, and says so', async () => {
    const part = recorded([]);
    const away = { ...part('mail', { check: () => Promise.reject(new Error('no mail server')) }), essential: false };
    const lifecycle = createLifecycle([part('orders'), away], { clock: createVirtualClock() });
    expect((await lifecycle.health()).ready).toBe(false);
    await lifecycle.start();
    expect(await lifecycle.health()).toEqual({
      ready: true,
      components: [
        { name: 'orders', state: 'ready' },
        { name: 'mail', state: 'degraded', detail: 'UNEXPECTED: no mail server' },
      ],
    });
    await lifecycle.stop();
    expect((await lifecycle.health()).ready).toBe(false);
  });

  it('stops all, whatever one throws, then throws the first error', async () => {
    const log: string[] = [];
    const part = recorded(log);
    const lifecycle = createLifecycle([part('a'), part('b', { close: () => Promise.reject(new Error('b broke')) }), part('c')], {
      clock: createVirtualClock(),
    });
    await lifecycle.start();
    await expect(lifecycle.stop()).rejects.toThrow('b broke');
    expect(log.slice(3)).toEqual(['close c', 'close b', 'close a']);
  });

  it('does not wait longer than it was told for one that hangs, and still closes the others', async () => {
    const clock = createVirtualClock();
    const log: string[] = [];
    const part = recorded(log);
    const told: (number | undefined)[] = [];
    const lifecycle = createLifecycle(
      [
        part('a', { close: async (timeoutMs) => void told.push(timeoutMs) }),
        part('hangs', {
          close: (timeoutMs) => {
            told.push(timeoutMs);
            return new Promise(() => undefined);
          },
        }),
      ],
      { clock },
    );
    await lifecycle.start();
    const stopped = expect(lifecycle.stop(5_000)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await clock.advance(5_000);
    await stopped;
    expect(log).toContain('close a');
    expect(told).toEqual([4_500, 90]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('stops a component that was still starting when it was told to stop', async () => {
    const clock = createVirtualClock();
    const log: string[] = [];
    const part = recorded(log);
    const lifecycle = createLifecycle([part('slow', {}, () => clock.sleep(1_000)), part('never')], { clock });
    const started = expect(lifecycle.start()).rejects.toMatchObject({ code: 'CANCELED' });
    await clock.advance(10);
    const stopped = lifecycle.stop(5_000);
    await clock.advance(1_000);
    await started;
    await stopped;
    expect(log).toEqual(['start slow', 'close slow']);
  });

  it('stops a component that is ready only after stop gave it up', async () => {
    const clock = createVirtualClock();
    const log: string[] = [];
    const part = recorded(log);
    const lifecycle = createLifecycle([part('first'), part('slow', {}, () => clock.sleep(60_000))], { clock });
    const started = expect(lifecycle.start()).rejects.toMatchObject({ code: 'CANCELED' });
    await clock.advance(10);
    const stopped = lifecycle.stop(1_000);
    await clock.advance(1_000);
    await stopped;
    expect(log).toEqual(['start first', 'start slow', 'close first']);
    await clock.advance(60_000);
    await started;
    expect(log.at(-1)).toBe('close slow');
  });
});
