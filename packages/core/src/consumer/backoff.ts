import type { Random } from '../random/port.ts';

/** How waits between attempts grow. */
export interface BackoffPolicy {
  readonly delayMs: number;
  readonly maxDelayMs: number;
}

/** A healthy system is to move again within ten seconds of the end of an outage; asking every few seconds costs nothing. */
const longestProbeMs = 5_000;

/** How waits grow between questions whether something is back. */
export function probing({ delayMs, maxDelayMs }: BackoffPolicy): BackoffPolicy {
  return { delayMs, maxDelayMs: Math.min(maxDelayMs, longestProbeMs) };
}

/** The wait before another attempt after `failures` failures: doubled with each, at most `maxDelayMs`, shortened at random by up to a half. */
export function backoffMs(policy: BackoffPolicy, failures: number, random: Random): number {
  const full = Math.min(policy.maxDelayMs, policy.delayMs * 2 ** Math.min(failures - 1, 50));
  return Math.ceil(full * (1 - random.next() / 2));
}
