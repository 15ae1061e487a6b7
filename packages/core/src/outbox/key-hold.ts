import { backoffMs } from '../consumer/backoff.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type AttemptFailure, createAttempt } from './attempt.ts';
import type { LaneContext } from './lane.ts';
import { firstPage, type OutboxEntry, type OutboxPlace, placeOf } from './row.ts';

/** Keys of a topic whose next event the broker refuses. Memory holds the places of what waits; a try reads it again. */
export interface KeyHold {
  /** Holds an event back, and with it what comes later of its key. */
  add(entry: OutboxEntry, error: PaystreamError): void;
  /** Takes out what must wait behind an event that is held back; gives the rest. */
  pass(entries: readonly OutboxEntry[]): readonly OutboxEntry[];
}

interface HeldKey {
  readonly key: string | undefined;
  /** In the order in which they are to be published. */
  readonly places: OutboxPlace[];
  failures: number;
  dueAtMs: number;
}

/** Waits between attempts to publish what the broker refused: somebody has to change its limits first. */
const backoff = { delayMs: 1_000, maxDelayMs: 60_000 } as const;
/** How often it is looked whose time has come. */
const everyMs = 1_000;
/** A broker that refuses whole topics must not be sent all of them each minute. */
const maxInVain = 16;

/** Makes the hold of one lane. Events without a key hold nothing back but themselves. */
export function createKeyHold(topic: string, context: LaneContext): KeyHold {
  const { signal, logger, clock } = context;
  /** By key, or by themselves if they have none; whoever was tried last comes last. */
  const held = new Map<string | HeldKey, HeldKey>();
  let running = false;
  const attempt = createAttempt(topic, context, context.released);
  const about = ({ key }: HeldKey, place: OutboxPlace | undefined) => ({ topic, key, epoch: place?.row.epoch, seq: place?.row.seq });

  /** Reads what comes first of a key. What cannot be read any more is passed over. */
  const load = async (one: HeldKey, count: number): Promise<readonly OutboxEntry[]> => {
    const places = firstPage(one.places, count);
    const messages = await context.readAgain(places);
    const entries = places.flatMap(({ row, index }, at) => {
      const message = messages[at];
      return message === undefined ? [] : [{ row, index, message }];
    });
    if (!signal.aborted) one.places.splice(0, places.length, ...entries.map(placeOf));
    return entries;
  };

  const publish = async (one: HeldKey, count: number): Promise<{ readonly failed: AttemptFailure | undefined; readonly tried: number }> => {
    try {
      const batch = await load(one, count);
      if (signal.aborted || batch.length === 0) return { failed: undefined, tried: 0 };
      const failed = await attempt(batch);
      if (failed === undefined && !signal.aborted) one.places.splice(0, batch.length);
      return { failed, tried: batch.length };
    } catch (error) {
      return { failed: { error: PaystreamError.from(error), refused: false }, tried: 0 };
    }
  };

  /** Publishes what is held of a key, as far as it can; gives what stopped it. */
  const drain = async (one: HeldKey): Promise<AttemptFailure | undefined> => {
    let count = 1;
    while (one.places.length > 0 && !signal.aborted) {
      const { failed, tried } = await publish(one, count);
      if (failed === undefined) {
        if (tried > 0) one.failures = 0;
        count = Math.min(2 * count, context.maxBatch);
      } else if (failed.refused && tried > 1) count = tried >> 1;
      else return failed;
    }
    return undefined;
  };

  const wait = (one: HeldKey, { error, refused }: AttemptFailure): void => {
    one.failures += 1;
    one.dueAtMs = clock.monotonic() + backoffMs(backoff, one.failures, context.random);
    const [first] = one.places;
    const told = { ...about(one, first), waiting: one.places.length, failures: one.failures, err: error };
    if (refused) logger.error(told, 'an event is still refused');
    else logger.warn(told, 'an event that was refused cannot be tried again yet');
  };

  const round = async (): Promise<void> => {
    let inVain = 0;
    for (const [id, one] of held) {
      if (one.dueAtMs > clock.monotonic()) continue;
      const failed = await drain(one);
      if (signal.aborted) return;
      // Looked at only now: later events of the key may have come meanwhile.
      if (one.places.length === 0) held.delete(id);
      if (failed === undefined) continue;
      wait(one, failed);
      held.delete(id);
      held.set(id, one);
      inVain += 1;
      if (!failed.refused || inVain === maxInVain) return;
    }
  };

  const run = async (): Promise<void> => {
    while (held.size > 0) {
      await clock.sleep(everyMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      await round();
    }
    running = false;
  };

  return {
    add: (entry, error) => {
      const { key } = entry.message;
      const dueAtMs = clock.monotonic() + backoffMs(backoff, 1, context.random);
      const one: HeldKey = { key, places: [placeOf(entry)], failures: 1, dueAtMs };
      held.set(key ?? one, one);
      context.heldBack(entry);
      logger.error({ ...about(one, entry), err: error }, 'an event is refused by the broker: later ones of its key wait for it');
      if (running) return;
      running = true;
      void run();
    },
    pass: (entries) => {
      if (held.size === 0) return entries;
      return entries.filter((entry) => {
        const one = entry.message.key === undefined ? undefined : held.get(entry.message.key);
        if (one === undefined) return true;
        one.places.push(placeOf(entry));
        context.heldBack(entry);
        return false;
      });
    },
  };
}
