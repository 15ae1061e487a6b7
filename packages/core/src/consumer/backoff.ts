import type { Random } from '../random/port.ts';

/** How waits between attempts grow. */
export interface BackoffPolicy {
  readonly delayMs: number;
  readonly maxDelayMs: number;
}

/** The wait before another attempt after `failures` failures: doubled with each, at most `maxDelayMs`, shortened at random by up to a half. */
export function backoffMs(policy: BackoffPolicy, failures: number, random: Random): number {
  const full = Math.min(policy.maxDelayMs, policy.delayMs * 2 ** Math.min(failures - 1, 50));
  return Math.ceil(full * (1 - random.next() / 2));
}
