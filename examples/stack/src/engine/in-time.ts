import { type Clock, PaystreamError } from '@paystream/core';

/** Settles as `work` does, or rejects with `UNAVAILABLE` / `NO_ANSWER`, which names `who` it is that does not answer. */
export async function inTime<T>(work: Promise<T>, who: string, timeoutMs: number, clock: Clock): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = clock.setTimer(timeoutMs, () => {
    late.reject(new PaystreamError('UNAVAILABLE', `${who} did not answer within ${timeoutMs} ms`, { reason: 'NO_ANSWER' }));
  });
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}
