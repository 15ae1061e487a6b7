import type { Clock } from '../clock/port.ts';

/** How long after it could not be made it is tried again at the earliest, in milliseconds: whoever needs it asks as often as it likes. */
const againMs = 1_000;

/** Something of a client that a broker may end, and that is made anew when it is needed next. */
export interface Renewed<T> {
  /** The one that works, as far as is known; a promise while another one is made, which rejects with why it cannot be. */
  get(): T | Promise<T>;
  /** The broker has ended it. */
  ended(one: T): void;
  /** The last one that was made, when none is being made. */
  latest(): Promise<T>;
  /** Closes the one that there is; one that is being made is closed when it is there, and not handed out. */
  close(): Promise<void>;
}

/** How it is made. */
export interface RenewedOptions<T> {
  readonly clock: Clock;
  make(): Promise<T>;
  /** What it means that it was closed meanwhile. */
  closedError(): Error;
}

/** Makes it for the first time. Rejects as `make` does. */
export async function createRenewed<T extends { close(): Promise<unknown> }>(options: RenewedOptions<T>): Promise<Renewed<T>> {
  const { clock, make, closedError } = options;
  let last = await make();
  let over = false;
  let making: Promise<T> | undefined;
  let failed: { readonly error: unknown; readonly atMs: number } | undefined;
  let closed = false;

  const makeAnew = async (): Promise<T> => {
    // What it still has under way goes before what the next one is given.
    await last.close();
    const next = await make();
    if (closed) {
      await next.close();
      throw closedError();
    }
    last = next;
    return next;
  };
  const renew = (): Promise<T> => {
    const work = makeAnew();
    making = work;
    work.then(
      () => {
        // Who waits for it goes on first, in turn; only then it is there at once.
        setImmediate(() => {
          making = undefined;
          over = false;
          failed = undefined;
        });
      },
      (error: unknown) => {
        making = undefined;
        failed = { error, atMs: clock.monotonic() };
      },
    );
    return work;
  };

  return {
    get: () => {
      if (making !== undefined) return making;
      if (!over) return last;
      if (failed !== undefined && clock.monotonic() - failed.atMs < againMs) return Promise.reject(failed.error);
      return renew();
    },
    ended: (one) => {
      if (one === last) over = true;
    },
    latest: async () => {
      await making?.catch(() => undefined);
      return last;
    },
    close: async () => {
      closed = true;
      await last.close();
    },
  };
}
