import type { Clock } from '@paystream/core';

/** Closes one after the other within one deadline. All are closed, whatever one throws; then the first error is thrown. */
export async function closeAll(steps: readonly ((timeoutMs: number) => Promise<void>)[], clock: Clock, timeoutMs: number): Promise<void> {
  const endMs = clock.monotonic() + timeoutMs;
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step(Math.max(0, endMs - clock.monotonic()));
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
