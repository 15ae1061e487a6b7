import { type Dispatcher, promote, type Source, scanLimit } from './dispatch.ts';
import { type StoredMessage, sizeOf } from './entry.ts';
import { canAdvance, createLane, type KeyLane, without, withSorted } from './key-lane.ts';
import { PairHeap } from './pair-heap.ts';

/** How far a take looks beyond messages whose key is held by another consumer. */
const maxParked = 10_000;
const maxParkedBytes = 32 * 1024 * 1024;

/**
 * Key-shared. A key belongs to the consumer that has messages of it in hand; when it has settled them all, the next message
 * of the key goes to whoever asks first. So consumers may come and go at any time and the order of a key holds. Messages
 * without a key go to whoever asks.
 */
export function createKeyedDispatcher<C, M>(source: Source<C, M>, from: number): Dispatcher<C, M> {
  const lanes = new Map<string, KeyLane<C>>();
  /** Lanes with something to hand out: those that nobody holds, and those that a consumer holds. */
  const free = new Set<KeyLane<C>>();
  const held = new Map<C, Set<KeyLane<C>>>();
  /** Given back: due now, by place; and not due yet, by time. They hold their lane until they are parked in it again. */
  const replay = new PairHeap();
  const delayed = new PairHeap();
  const waitingKeys = new Map<number, string>();
  /** Never delivered, since their publisher asked for a delay; by time. They hold nothing. */
  const scheduled = new PairHeap();
  let next = from;
  let parked = 0;
  let parkedBytes = 0;

  const hasRoom = (): boolean => parked < maxParked && parkedBytes < maxParkedBytes;

  const laneOf = (key: string, consumer: C): KeyLane<C> => {
    let lane = lanes.get(key);
    if (lane === undefined) {
      lane = createLane(key, consumer);
      lanes.set(key, lane);
    }
    return lane;
  };

  /** Puts a lane where it belongs after a change. */
  const refresh = (lane: KeyLane<C>): void => {
    free.delete(lane);
    held.get(lane.owner)?.delete(lane);
    if (!canAdvance(lane)) {
      if (lane.inHand === 0 && lane.parked.length === 0 && lane.waiting.length === 0) lanes.delete(lane.key);
    } else if (lane.inHand === 0) free.add(lane);
    else {
      const own = held.get(lane.owner) ?? new Set();
      own.add(lane);
      held.set(lane.owner, own);
    }
  };

  const park = (lane: KeyLane<C>, message: StoredMessage): void => {
    lane.parked = withSorted(lane.parked, message, (one) => one.sequence);
    parked += 1;
    parkedBytes += sizeOf(message);
    refresh(lane);
  };

  const hand = (lane: KeyLane<C> | undefined, consumer: C, message: StoredMessage, out: M[]): void => {
    const delivery = source.deliver(consumer, message);
    if (delivery === undefined) return;
    out.push(delivery);
    if (lane === undefined) return;
    lane.owner = consumer;
    lane.inHand += 1;
  };

  /** A message that is due: to the consumer if it may have it, otherwise into its lane. */
  const admit = (consumer: C, message: StoredMessage, out: M[]): void => {
    if (message.key === undefined) {
      hand(undefined, consumer, message, out);
      return;
    }
    const lane = laneOf(message.key, consumer);
    if (lane.parked.length > 0 || lane.waiting.length > 0 || (lane.inHand > 0 && lane.owner !== consumer)) {
      park(lane, message);
      return;
    }
    hand(lane, consumer, message, out);
    if (lane.inHand === 0) lanes.delete(lane.key);
  };

  const stopWaiting = (sequence: number): void => {
    const key = waitingKeys.get(sequence);
    const lane = key === undefined ? undefined : lanes.get(key);
    waitingKeys.delete(sequence);
    if (lane === undefined) return;
    lane.waiting = without(lane.waiting, lane.waiting.indexOf(sequence));
    refresh(lane);
  };

  const takeReplayed = (consumer: C, max: number, out: M[]): void => {
    if (delayed.size > 0) promote(delayed, replay, source.now());
    // Without regard to room: what is parked may be waiting for just these.
    while (replay.size > 0 && out.length < max) {
      const sequence = replay.top as number;
      const message = source.acknowledged(sequence) ? undefined : source.earlier(sequence);
      replay.pop();
      if (message === undefined) {
        stopWaiting(sequence);
        continue;
      }
      if (message.key === undefined) {
        hand(undefined, consumer, message, out);
        continue;
      }
      // Parked before it stops waiting, so that later ones of its key cannot pass between the two.
      park(laneOf(message.key, consumer), message);
      stopWaiting(sequence);
    }
  };

  const takeParked = (ready: Set<KeyLane<C>> | undefined, consumer: C, max: number, out: M[]): void => {
    if (ready === undefined) return;
    for (const lane of ready) {
      if (out.length >= max) return;
      while (out.length < max && canAdvance(lane)) {
        const message = lane.parked[0] as StoredMessage;
        lane.parked = without(lane.parked, 0);
        parked -= 1;
        parkedBytes -= sizeOf(message);
        if (!source.acknowledged(message.sequence)) hand(lane, consumer, message, out);
      }
      refresh(lane);
    }
  };

  const takeScheduled = (consumer: C, max: number, out: M[]): void => {
    if (scheduled.size === 0) return;
    const now = source.now();
    while (scheduled.lowest <= now && hasRoom() && out.length < max) {
      const sequence = scheduled.top as number;
      const message = source.acknowledged(sequence) ? undefined : source.earlier(sequence);
      scheduled.pop();
      if (message !== undefined) admit(consumer, message, out);
    }
  };

  const takeNew = (consumer: C, max: number, out: M[]): boolean => {
    const tail = source.tail();
    next = Math.max(next, source.first());
    const stop = next + scanLimit;
    while (next < tail && out.length < max && hasRoom()) {
      if (next >= stop) return false;
      const sequence = next;
      const message = source.acknowledged(sequence) ? undefined : source.message(sequence);
      next += 1;
      if (message === undefined) continue;
      if (message.deliverAtMs !== undefined && message.deliverAtMs > source.now()) scheduled.push(message.deliverAtMs, sequence);
      else admit(consumer, message, out);
    }
    return true;
  };

  return {
    take: (consumer, max, out) => {
      takeReplayed(consumer, max, out);
      takeParked(held.get(consumer), consumer, max, out);
      takeParked(free, consumer, max, out);
      takeScheduled(consumer, max, out);
      return takeNew(consumer, max, out);
    },
    ready: () => replay.size + parked + source.tail() - next,
    nextDueMs: () => Math.min(delayed.lowest, scheduled.lowest),
    settled: (key) => {
      const lane = key === undefined ? undefined : lanes.get(key);
      if (lane === undefined) return;
      lane.inHand -= 1;
      if (lane.inHand > 0) return;
      if (lane.parked.length === 0 && lane.waiting.length === 0) lanes.delete(lane.key);
      else refresh(lane);
    },
    withdrawn: stopWaiting,
    returned: (sequence, key, dueMs) => {
      if (dueMs <= source.now()) replay.push(sequence, sequence);
      else delayed.push(dueMs, sequence);
      const lane = key === undefined ? undefined : lanes.get(key);
      if (lane === undefined) return;
      waitingKeys.set(sequence, lane.key);
      lane.waiting = withSorted(lane.waiting, sequence, (one) => one);
      lane.inHand -= 1;
      refresh(lane);
    },
    left: (consumer) => {
      held.delete(consumer);
    },
  };
}
