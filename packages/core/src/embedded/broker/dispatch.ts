import type { StoredMessage } from './entry.ts';
import type { PairHeap } from './pair-heap.ts';

/** What a dispatcher needs of its subscription. `C` is the consumer, `M` what is handed out. */
export interface Source<C, M> {
  /** One past the last message. */
  tail(): number;
  /** The first message that is kept. */
  first(): number;
  now(): number;
  acknowledged(sequence: number): boolean;
  /** A message by its place; `undefined` if it is not kept any more. Throws if it cannot be read: then it must still be there to take. */
  message(sequence: number): StoredMessage | undefined;
  /** As `message`, for places out of the order of the log. */
  earlier(sequence: number): StoredMessage | undefined;
  /** Makes a delivery of it; `undefined` if it goes to the dead-letter topic instead. */
  deliver(consumer: C, message: StoredMessage): M | undefined;
}

/**
 * Decides which message goes to which consumer: one for each way of sharing. It knows what was not handed out yet; what is
 * handed out and not settled, the subscription knows.
 */
export interface Dispatcher<C, M> {
  /** Appends at most `max` messages for a consumer. False if it stopped only in order to let others run: there may be more. */
  take(consumer: C, max: number, out: M[]): boolean;
  /** About how many could be taken now. */
  ready(): number;
  /** When the next message becomes ready by itself; infinite if none does. */
  nextDueMs(): number;
  /** A message that is in somebody's hands was acknowledged. */
  settled(key: string | undefined): void;
  /** A message that is in nobody's hands was acknowledged: by an earlier delivery, after it was given back. */
  withdrawn(sequence: number): void;
  /** A delivery ended without an acknowledgement: deliver it again, not before a moment. */
  returned(sequence: number, key: string | undefined, dueMs: number): void;
  /** A consumer is gone, and all that it had was returned. */
  left(consumer: C): void;
}

/** How many messages a take may look at before it lets others run. */
export const scanLimit = 20_000;

/** Moves what is due now from one heap, ordered by time, to another, ordered by place. */
export function promote(delayed: PairHeap, replay: PairHeap, now: number): void {
  while (delayed.lowest <= now) {
    const sequence = delayed.pop();
    if (sequence !== undefined) replay.push(sequence, sequence);
  }
}
