import { type Clock, PaystreamError } from '@paystream/core';

/** Calls until it is answered: a stack that is stopped and started again is waited for. */
export interface Patience {
  /** Whether nothing has answered for so long that it is no use to go on. */
  readonly over: boolean;
  /** Repeats a call while it fails by what may pass. Throws the last error when patience is over. */
  call<T>(call: () => Promise<T>): Promise<T>;
}

const againMs = 250;

/** Patience of so many milliseconds since the last answer. `tell` hears why there is none just now, and when there is one again. */
export function createPatience(clock: Clock, patienceMs: number, tell: (away: string | undefined) => void): Patience {
  let answeredMs = clock.monotonic();
  let away: string | undefined;
  const turn = (next: string | undefined): void => {
    if (next !== away) tell(next);
    away = next;
  };
  return {
    get over() {
      return away !== undefined && clock.monotonic() - answeredMs > patienceMs;
    },
    call: async <T>(call: () => Promise<T>): Promise<T> => {
      for (;;) {
        try {
          const answer = await call();
          answeredMs = clock.monotonic();
          turn(undefined);
          return answer;
        } catch (cause) {
          const error = PaystreamError.from(cause);
          if (!error.retryable) throw error;
          turn(error.reason.startsWith('RPC_') ? 'no answer' : error.reason);
          if (clock.monotonic() - answeredMs > patienceMs) throw error;
        }
        await clock.sleep(againMs);
      }
    },
  };
}
