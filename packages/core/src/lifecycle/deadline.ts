import type { Clock } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';

/** Settles as the promise does, but rejects with `DEADLINE_EXCEEDED` and the message after `timeoutMs`. */
export function within<R>(clock: Clock, timeoutMs: number, promise: Promise<R>, message: string): Promise<R> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(timeoutMs, () => reject(new PaystreamError('DEADLINE_EXCEEDED', message, { reason: 'TIMED_OUT' })));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}
