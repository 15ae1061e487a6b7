import type { ServerCall } from './call.ts';

/**
 * Settles as the answer does, or rejects as soon as the call is aborted: a handler that ignores its signal holds up nobody.
 * What the handler throws after that goes to `onLateError`.
 */
export function answerOrAbort<T>(call: ServerCall, answer: Promise<T>, onLateError: (error: unknown) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call.onAbort(reject);
    answer.then(resolve, (error: unknown) => {
      if (call.reason === undefined) reject(error);
      else onLateError(error);
    });
  });
}

/** Yields what the source yields until the call is aborted; then throws the reason and tells the source to end. */
export function itemsUntilAbort<T>(call: ServerCall, source: AsyncIterable<T>, onLateError: (error: unknown) => void): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      let fail: ((reason: unknown) => void) | undefined;
      const stop = async (): Promise<IteratorResult<T>> => {
        await iterator.return?.();
        return { done: true, value: undefined };
      };
      call.onAbort((reason) => {
        fail?.(reason);
        // The source may sit in a wait that it does not give up: nobody waits for it any more.
        stop().catch(onLateError);
      });
      return {
        next: () =>
          new Promise((resolve, reject) => {
            if (call.reason !== undefined) {
              reject(call.reason);
              return;
            }
            fail = reject;
            iterator.next().then(resolve, reject);
          }),
        return: () => (call.reason === undefined ? stop() : Promise.resolve({ done: true, value: undefined })),
      };
    },
  };
}
