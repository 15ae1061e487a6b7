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

/** Settles as `work` does, or rejects with `TIMEOUT` when the time is up before. */
async function within<T>(leftMs: number, command: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new PulsarError('TIMEOUT', `${command} was not answered in time`, { command })), leftMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Does something until it works, what fails cannot pass, or the operation time-out is up: then it rejects with the last failure
 * that says more than that. `attempt` is told how many milliseconds are left.
 */
export async function untilItWorks<T>(
  options: RetryOptions,
  about: { readonly command: string; readonly name: string },
  attempt: (leftMs: number) => Promise<T>,
): Promise<T> {
  const { operationTimeoutMs, emit, signal } = options;
  const deadline = performance.now() + operationTimeoutMs;
  const backoff = createBackoff(options.backoff);
  let reason: PulsarError | undefined;
  for (;;) {
    const leftMs = Math.max(1, deadline - performance.now());
    try {
      return await within(leftMs, about.command, attempt(leftMs));
    } catch (error) {
      if (!PulsarError.is(error) || !error.retryable) throw error;
      if (error.code !== 'TIMEOUT') reason = error;
      const remainingMs = deadline - performance.now();
      if (remainingMs <= 1) throw reason ?? error;
      const delayMs = Math.min(backoff.next(), remainingMs);
      emit({ scope: 'lookup', type: 'retry', ...about, delayMs, error });
      await delay(delayMs, undefined, { signal }).catch(() => {
        throw signal.reason;
      });
    }
  }
}
