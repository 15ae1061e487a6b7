import { PulsarError } from '../errors/pulsar-error.ts';
import type { BaseCommand } from '../gen/pulsar/wire_pb.ts';
import type { Answer } from './answers.ts';
import { serverError } from './server-error.ts';

/** A request to wait for the answer of. */
export interface RequestOptions {
  /** In milliseconds. */
  readonly timeoutMs: number;
  /** Whether an answer is the last; further ones are waited for without limit. */
  readonly until?: ((answer: BaseCommand) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Pending extends RequestOptions {
  readonly command: string;
  /** On the clock of `performance.now()`. */
  deadline: number;
  readonly resolve: (answer: BaseCommand) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: (() => void) | undefined;
}

/** Requests of one connection that wait for an answer, with one timer for all of them. */
export interface Requests {
  readonly size: number;
  /** Resolves with the answer. Rejects with what the broker reports, `TIMEOUT`, `CANCELED`, or the reason of `failAll`. */
  wait(requestId: bigint, command: string, options: RequestOptions): Promise<BaseCommand>;
  /** Settles the request that an answer is for; without one the answer is ignored. */
  settle(answer: Answer, command: BaseCommand): void;
  /** Rejects all that wait, and whatever comes after. */
  failAll(error: PulsarError): void;
}

/** The requests of the connection to `broker`. */
export function createRequests(broker: string): Requests {
  const pending = new Map<bigint, Pending>();
  let failed: PulsarError | undefined;
  let timer: NodeJS.Timeout | undefined;
  let timerAt = Number.POSITIVE_INFINITY;

  function remove(requestId: bigint, request: Pending): void {
    pending.delete(requestId);
    if (request.onAbort !== undefined) request.signal?.removeEventListener('abort', request.onAbort);
    if (pending.size === 0) stopTimer();
  }

  function stopTimer(): void {
    clearTimeout(timer);
    timer = undefined;
    timerAt = Number.POSITIVE_INFINITY;
  }

  function armFor(deadline: number): void {
    if (deadline >= timerAt) return;
    clearTimeout(timer);
    timerAt = deadline;
    timer = setTimeout(expire, Math.max(0, deadline - performance.now()));
  }

  function expire(): void {
    stopTimer();
    const now = performance.now();
    let nearest = Number.POSITIVE_INFINITY;
    for (const [requestId, request] of pending) {
      // A timer may fire a part of a millisecond early.
      if (request.deadline > now + 1) {
        nearest = Math.min(nearest, request.deadline);
        continue;
      }
      remove(requestId, request);
      const { command, timeoutMs } = request;
      request.reject(new PulsarError('TIMEOUT', `${broker} did not answer ${command} within ${timeoutMs} ms`, { command }));
    }
    if (nearest !== Number.POSITIVE_INFINITY) armFor(nearest);
  }

  function wait(requestId: bigint, command: string, options: RequestOptions): Promise<BaseCommand> {
    const { timeoutMs, signal } = options;
    if (failed !== undefined) return Promise.reject(failed);
    if (signal?.aborted) return Promise.reject(canceled(command, signal));
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + timeoutMs;
      const onAbort = signal && (() => cancel(requestId, signal));
      pending.set(requestId, { ...options, command, deadline, resolve, reject, onAbort });
      if (onAbort !== undefined) signal?.addEventListener('abort', onAbort);
      armFor(deadline);
    });
  }

  function cancel(requestId: bigint, signal: AbortSignal): void {
    const request = pending.get(requestId);
    if (request === undefined) return;
    remove(requestId, request);
    request.reject(canceled(request.command, signal));
  }

  function settle(answer: Answer, command: BaseCommand): void {
    const request = pending.get(answer.requestId);
    if (request === undefined) return;
    if (answer.error !== undefined) {
      remove(answer.requestId, request);
      request.reject(serverError(answer.error, answer.message, request.command));
    } else if (request.until?.(command) === false) {
      request.deadline = Number.POSITIVE_INFINITY;
    } else {
      remove(answer.requestId, request);
      request.resolve(command);
    }
  }

  function failAll(error: PulsarError): void {
    failed = error;
    const requests = [...pending];
    for (const [requestId, request] of requests) {
      remove(requestId, request);
      request.reject(error);
    }
  }

  return {
    get size() {
      return pending.size;
    },
    wait,
    settle,
    failAll,
  };
}

function canceled(command: string, signal: AbortSignal): PulsarError {
  return new PulsarError('CANCELED', `${command} was canceled by the caller`, { command, cause: signal.reason });
}
