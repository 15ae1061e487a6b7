import type { Consumer, ConsumerBatchReceivePolicy } from 'pulsar-client';
import { type Arrived, arrived } from './arrived.ts';
import { isBehind } from './message-ids.ts';

/** How an intake wants its consumer: a call brings one message, and waits for it as long as that takes. */
export const intakePolicy: ConsumerBatchReceivePolicy = { maxNumMessages: 1, maxNumBytes: -1, timeoutMs: -1 };

/** Receives from a consumer of the addon, ahead. */
export interface Intake {
  /** Waits until there is a message, then gives those that are there. Gives none if it is aborted before; nothing is lost by that. */
  next(room: number, signal: AbortSignal): Promise<readonly Arrived[]>;
}

/**
 * After so many turns of the event loop every call has settled that the addon settled before one that has: what another thread settles
 * is noticed in this turn or the next, as one of its last things. One more is to spare.
 */
const turnsToSettle = 3;

/** Whether one lies before another of its partition. */
const isBefore = ({ place: one }: Arrived, { place: other }: Arrived): boolean => one.partition === other.partition && isBehind(other, one);

const inOrder = (one: Arrived, other: Arrived): number =>
  one.place.partition - other.place.partition || Number(isBefore(other, one)) - Number(isBefore(one, other));

/**
 * Keeps up to `parallel` calls under way, and no more than there is room for. A call cannot be taken back; what it brings later is
 * there for the next.
 *
 * The calls are of `batchReceive()`, with the policy above. `receive()` looks whether the queue is empty, and then waits, while another
 * thread looks whether somebody waits, and then fills the queue: between the two a message may lie in the queue while it is waited for,
 * and the next is handed out before it. With a time-out it would hold a thread of Node's pool, of which there are four.
 *
 * The addon settles calls in any order, and a call may be given what came before one that has waited for longer got the next. So what
 * has come is put in the order in which it lies in its partition, once all that was given out before it has come too.
 */
export function createIntake(consumer: Pick<Consumer, 'batchReceive'>, parallel: number): Intake {
  let come: Arrived[] = [];
  let underWay = 0;
  let failure: { readonly error: unknown } | undefined;
  let wake: () => void = () => undefined;

  const ask = async (): Promise<void> => {
    underWay += 1;
    try {
      // None if the queue was emptied while it was looked into.
      const messages = await consumer.batchReceive();
      come.push(...messages.map(arrived));
    } catch (error) {
      failure = { error };
    }
    underWay -= 1;
    wake();
  };

  const take = async (): Promise<Arrived[]> => {
    const known = come.slice();
    for (let turns = 0; turns < turnsToSettle && underWay > 0; turns++) await new Promise((resolve) => setImmediate(resolve));
    const taken = new Set(underWay === 0 ? come : [...known, ...come.filter((one) => known.some((other) => isBefore(one, other)))]);
    come = come.filter((one) => !taken.has(one));
    return [...taken].sort(inOrder);
  };

  const woken = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        signal.removeEventListener('abort', end);
        wake = () => undefined;
        resolve();
      };
      signal.addEventListener('abort', end, { once: true });
      wake = end;
    });

  return {
    next: async (room, signal) => {
      while (true) {
        const messages = come.length > 0 ? await take() : [];
        if (messages.length === 0 && failure !== undefined) {
          const { error } = failure;
          failure = undefined;
          throw error;
        }
        while (come.length + underWay < Math.min(room - messages.length, parallel)) void ask();
        if (messages.length > 0 || signal.aborted) return messages;
        await woken(signal);
      }
    },
  };
}
