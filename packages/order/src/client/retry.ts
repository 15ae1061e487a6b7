import { type Clock, PaystreamError, type Random } from '@paystream/core';

/** How calls are repeated. */
export interface RetryOptions {
  readonly attempts: number;
  readonly delayMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

const longestDelayMs = 5_000;

/** The error of a call that its caller has ended. */
export function canceled(cause: unknown): PaystreamError {
  return new PaystreamError('CANCELED', 'the caller aborted the call', { reason: 'ABORTED_BY_CALLER', cause });
}

/** Waits before the try after `attempt`: twice as long each time, with jitter of up to a half. Throws `CANCELED`. */
export async function waitToRetry(options: RetryOptions, attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const delayMs = Math.min(options.delayMs * 2 ** (attempt - 1), longestDelayMs);
  try {
    await options.clock.sleep(delayMs * (1 - options.random.next() / 2), signal);
  } catch (cause) {
    throw canceled(cause);
  }
}

/** Whether an error may pass by itself, and a repeated call does no harm. */
export function mayPass(error: unknown): boolean {
  return PaystreamError.from(error).retryable;
}

/** Repeats a call while it fails by what may pass. Throws the last error. */
export async function withRetry<T>(options: RetryOptions, signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (attempt >= options.attempts || !mayPass(error)) throw error;
    }
    await waitToRetry(options, attempt, signal);
  }
}
