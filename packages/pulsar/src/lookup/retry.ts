import { setTimeout as delay } from 'node:timers/promises';
import { createBackoff } from '../connection/backoff.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { EmitEvent } from '../events/events.ts';

/** How look-ups are tried again. Times in milliseconds. */
export interface RetryOptions {
  readonly operationTimeoutMs: number;
  readonly backoff: { readonly initialMs: number; readonly maxMs: number };
  readonly emit: EmitEvent;
  /** Aborted, with a `PulsarError`, when the client closes. */
  readonly signal: AbortSignal;
}

/**
 * Does something until it works, what fails cannot pass, or the operation time-out is up: then it rejects with the last failure.
 * `attempt` is told how many milliseconds are left.
 */
export async function untilItWorks<T>(
  options: RetryOptions,
  about: { readonly command: string; readonly name: string },
  attempt: (leftMs: number) => Promise<T>,
): Promise<T> {
  const { operationTimeoutMs, emit, signal } = options;
  const deadline = performance.now() + operationTimeoutMs;
  const backoff = createBackoff(options.backoff);
  for (;;) {
    try {
      return await attempt(Math.max(1, deadline - performance.now()));
    } catch (error) {
      const leftMs = deadline - performance.now();
      if (!PulsarError.is(error) || !error.retryable || leftMs <= 1) throw error;
      const delayMs = Math.min(backoff.next(), leftMs);
      emit({ scope: 'lookup', type: 'retry', ...about, delayMs, error });
      await delay(delayMs, undefined, { signal }).catch(() => {
        throw signal.reason;
      });
    }
  }
}
