import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from './system-clock.ts';

describe('system clock', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('does not fire a timer of more than 24 days at once', () => {
    const days = 24 * 3_600_000;
    let fired = 0;
    systemClock.setTimer(100 * days, () => {
      fired += 1;
    });
    vi.advanceTimersByTime(100 * days - 1);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(1);
    expect(fired).toBe(1);
  });

  it('fires no timer that was stopped, in whichever part of it', () => {
    let fired = 0;
    const timer = systemClock.setTimer(2 ** 32, () => {
      fired += 1;
    });
    vi.advanceTimersByTime(2 ** 31 + 10);
    timer.cancel();
    timer.cancel();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(2 ** 32);
    expect(fired).toBe(0);
  });

  it('ends a sleep as soon as its signal is aborted and leaves no timer behind', async () => {
    const controller = new AbortController();
    const slept = systemClock.sleep(60_000, controller.signal);
    controller.abort(new Error('enough'));
    await expect(slept).rejects.toThrow('enough');
    expect(vi.getTimerCount()).toBe(0);
    const other = systemClock.sleep(1_000);
    vi.advanceTimersByTime(1_000);
    await other;
  });
});
