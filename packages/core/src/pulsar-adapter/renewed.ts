import type { Clock } from '../clock/port.ts';

/**
 * How long after it could not be made it is tried again at the earliest, in milliseconds: whoever needs it asks as often as it likes.
 * Each wait is twice the one before.
 */
const firstAgainMs = 1_000;
const longestAgainMs = 5_000;

/** What can be made anew. */
export interface Renewable {
  /** Resolves when all that it was given has settled; rejects with what failed. */
  flush(): Promise<unknown>;
  close(): Promise<unknown>;
}

/** Something of a client that a broker may end, and that is made anew when it is needed next. */
export interface Renewed<T> {
  /** The one that works, as far as is known; a promise while another one is awaited, which rejects with why it cannot be made. */
  get(): T | Promise<T>;
  /** The broker has ended it, or a part of it. */
  ended(one: T): void;
  /** Resolves when all that was given to it has settled, whatever became of it. */
  flush(): Promise<void>;
  /** Closes the one that there is; one that is being made is closed when it is there, and not handed out. */
  close(): Promise<void>;
}

/** How it is made. */
export interface RenewedOptions<T> {
  readonly clock: Clock;
  make(): Promise<T>;
  /** Whether parts of one that has ended may still work: it is then used until there is another. */
  hasParts(one: T): boolean;
  /** What it means that it was closed meanwhile. */
  closedError(): Error;
}

/** Makes it for the first time. Rejects as `make` does. */
export async function createRenewed<T extends Renewable>(options: RenewedOptions<T>): Promise<Renewed<T>> {
  const { clock, make, hasParts, closedError } = options;
  let last = await make();
  let over = false;
  let making: Promise<T> | undefined;
  /** Whether the next one is there, and the last is given nothing more. */
  let leaving = false;
  let failed: { readonly error: unknown; readonly againAtMs: number; readonly delayMs: number } | undefined;
  let closed = false;

  const makeAnew = async (): Promise<T> => {
    const next = await make();
    if (!closed) {
      leaving = true;
      // What it still has under way goes before what the next one is given, and is not lost by its end.
      await last.flush().catch(() => undefined);
    }
    if (closed) {
      await next.close();
      throw closedError();
    }
    const before = last;
    last = next;
    over = false;
    failed = undefined;
    // Whatever comes of that, the broker has ended it.
    await before.close().catch(() => undefined);
    return next;
  };
  const renew = (): void => {
    const work = makeAnew();
    making = work;
    work.then(
      () => {
        // Who waits for it goes on first, in turn; only then it is there at once.
        setImmediate(() => {
          making = undefined;
          leaving = false;
        });
      },
      (error: unknown) => {
        making = undefined;
        leaving = false;
        const delayMs = failed === undefined ? firstAgainMs : Math.min(failed.delayMs * 2, longestAgainMs);
        failed = { error, againAtMs: clock.monotonic() + delayMs, delayMs };
      },
    );
  };
  const isLastUsed = (): boolean => !leaving && hasParts(last);

  return {
    get: () => {
      if (making === undefined) {
        if (!over) return last;
        if (failed === undefined || clock.monotonic() >= failed.againAtMs) renew();
      }
      if (isLastUsed()) return last;
      return making ?? Promise.reject(failed?.error);
    },
    ended: (one) => {
      if (one === last) over = true;
    },
    flush: async () => {
      if (!isLastUsed()) await making?.catch(() => undefined);
      await last.flush().catch(() => undefined);
    },
    close: async () => {
      closed = true;
      await last.close();
    },
  };
}
