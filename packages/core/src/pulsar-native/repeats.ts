import type { MessageId } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';

/** How long it is known what was acknowledged, in milliseconds: a broker delivers again at once, but no more than is asked for. */
const knownMs = 60_000;

/** Messages that were acknowledged by a copy from before an outage, so that another copy of each may still come. */
export interface Repeats {
  add(id: MessageId): void;
  has(id: MessageId): boolean;
  /** Forgets all: the cursor was moved. */
  clear(): void;
}

/** Makes {@link Repeats}. */
export function createRepeats(clock: Clock): Repeats {
  /** When each was acknowledged, in that order. */
  const known = new Map<MessageId, number>();
  const forget = (): void => {
    const since = clock.monotonic() - knownMs;
    for (const [id, at] of known) {
      if (at > since) return;
      known.delete(id);
    }
  };
  return {
    add: (id) => {
      known.delete(id);
      known.set(id, clock.monotonic());
    },
    has: (id) => {
      if (known.size === 0) return false;
      forget();
      return known.has(id);
    },
    clear: () => known.clear(),
  };
}
