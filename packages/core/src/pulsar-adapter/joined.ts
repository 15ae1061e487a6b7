import type { Clock, ClockTimer } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';

/** How often it is looked whether a link is connected, and how long it may not be before that is told, in milliseconds. */
const lookMs = 1_000;
const shortBreakMs = 5_000;
/** Waits before a link is made again that was given up, in milliseconds: each is twice the one before. */
const firstDelayMs = 100;
const longestDelayMs = 5_000;

/** What a client does for one subscription, and gives up if the broker refuses it. */
export interface Joinable {
  /** Whether something can be received by it now, of one partition at least. If not, its client sees to that, unless it is over. */
  connected(): boolean;
  /** Why its client has not managed that yet; `undefined` if it does not say. */
  whyNot?(): unknown;
  /** Aborted, with why, when its client has given it up. None: it never does. */
  readonly over?: AbortSignal | undefined;
  close(): Promise<void>;
}

/** How a link is kept joined. */
export interface JoinedOptions<L> {
  readonly clock: Clock;
  /** Joins again. */
  join(): Promise<L>;
  /** Tells an error of the client; `CANCELED` is what it calls its own end. */
  tell(error: unknown): PaystreamError;
  /** Told of an outage that lasts, and of its end. */
  onOutage(error: PaystreamError | undefined): void;
  /** The client has given the link up, or another one could not be made: that is tried again. */
  onRefused(error: PaystreamError): void;
  /** Another link has taken the place of the one that was given up. */
  onJoined(): void;
  /** The client itself was closed. */
  onEnded(): void;
}

/** A link that is joined anew whenever its client gives it up. */
export interface Joined<L> {
  /** Throws, with why, while there is none. */
  readonly link: L;
  /** Why there is none now. */
  readonly refused: PaystreamError | undefined;
  /** Begins to look after it: nobody is told of anything before. */
  begin(): void;
  close(): Promise<void>;
}

/** Keeps what was joined so until it is closed. The client may have given up the first link already. */
export function keepJoined<L extends Joinable>(first: L, options: JoinedOptions<L>): Joined<L> {
  const { clock, tell } = options;
  const stopped = new AbortController();
  let link = first;
  let looking: ClockTimer | undefined;
  let refused: PaystreamError | undefined;
  let downSinceMs: number | undefined;
  let told: string | undefined;

  const outage = (error: PaystreamError | undefined): void => {
    if (stopped.signal.aborted || told === error?.message) return;
    told = error?.message;
    options.onOutage(error);
  };
  const refuse = (error: PaystreamError): void => {
    refused = error;
    outage(error);
    options.onRefused(error);
  };

  const lookNow = (): void => {
    if (refused !== undefined) return;
    if (link.connected()) {
      downSinceMs = undefined;
      outage(undefined);
      return;
    }
    downSinceMs ??= clock.monotonic();
    if (clock.monotonic() - downSinceMs < shortBreakMs) return;
    const why = link.whyNot?.() ?? new PaystreamError('UNAVAILABLE', 'not connected to Pulsar', { reason: 'PULSAR_UNREACHABLE' });
    outage(tell(why));
  };
  const look = (): void => {
    lookNow();
    // Whoever was told may have closed it.
    if (stopped.signal.aborted) return;
    looking = clock.setTimer(lookMs, look, { unref: true });
  };

  const end = (): void => {
    looking?.cancel();
    stopped.abort();
  };
  const over = (error: PaystreamError): boolean => {
    if (stopped.signal.aborted) return true;
    if (error.code !== 'CANCELED') return false;
    end();
    options.onEnded();
    return true;
  };

  const adopt = (next: L): void => {
    link = next;
    refused = undefined;
    downSinceMs = undefined;
    watch(next);
  };

  /** Another link; none if it is not wanted any more. */
  const another = async (): Promise<L | undefined> => {
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
      await clock.sleep(delayMs, stopped.signal).catch(() => undefined);
      if (stopped.signal.aborted) return undefined;
      try {
        return await options.join();
      } catch (error) {
        const why = tell(error);
        if (over(why)) return undefined;
        refuse(why);
      }
    }
  };

  const joinAgain = async (lost: L): Promise<void> => {
    // With several partitions it is still there for the broker on some: it must not stand in the way of the next.
    await lost.close().catch((error: unknown) => {
      if (!stopped.signal.aborted) refuse(tell(error));
    });
    const next = await another();
    if (next === undefined) return;
    if (stopped.signal.aborted) {
      // Nobody is left to be told.
      await next.close().catch(() => undefined);
      return;
    }
    adopt(next);
    if (refused !== undefined || stopped.signal.aborted) return;
    outage(undefined);
    options.onJoined();
  };

  function watch(one: L): void {
    const { over: signal } = one;
    const onOver = (): void => {
      const why = tell(signal?.reason);
      if (over(why)) return;
      refuse(why);
      void joinAgain(one);
    };
    if (signal?.aborted === true) onOver();
    else signal?.addEventListener('abort', onOver, { once: true });
  }

  return {
    get link() {
      if (refused !== undefined) throw refused;
      return link;
    },
    get refused() {
      return refused;
    },
    begin: () => {
      looking = clock.setTimer(lookMs, look, { unref: true });
      watch(link);
    },
    close: () => {
      end();
      return link.close();
    },
  };
}
