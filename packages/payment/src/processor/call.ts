import { type Clock, PaystreamError } from '@paystream/core';

/** How a call ended in time. */
export type CallEnd<T> = { readonly answer: T } | { readonly failure: unknown };

/**
 * Makes a call with a time limit. Resolves when the call has settled or its time is up, whichever is first; never rejects. An
 * answer that comes after that still counts: it is handed to `late`.
 */
export function callWithin<T>(
  clock: Clock,
  timeoutMs: number,
  call: (signal: AbortSignal) => Promise<T>,
  late: (answer: T) => void,
): Promise<CallEnd<T>> {
  return new Promise((resolve) => {
    const controller = new AbortController();
    let over = false;
    const end = (result: CallEnd<T>): void => {
      over = true;
      timer.cancel();
      resolve(result);
    };
    const timer = clock.setTimer(timeoutMs, () => {
      const failure = new PaystreamError('DEADLINE_EXCEEDED', `the gateway gave no answer within ${timeoutMs} ms`, {
        reason: 'GATEWAY_TIMED_OUT',
      });
      end({ failure });
      controller.abort(failure);
    });
    const settled = (answer: T): void => (over ? late(answer) : end({ answer }));
    const failed = (failure: unknown): void => {
      if (!over) end({ failure });
    };
    try {
      call(controller.signal).then(settled, failed);
    } catch (failure) {
      failed(failure);
    }
  });
}
