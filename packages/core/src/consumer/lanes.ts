import type { IncomingMessage } from '../broker/port.ts';
import { PassingMap } from './passing-map.ts';
import type { Delivery } from './port.ts';
import type { Held, Source } from './source.ts';

/** A message that waits for its handler or is being handled. */
export interface Entry<T> extends Held {
  readonly source: Source;
  /** Replaced when the attempt changes. */
  delivery: Delivery<T>;
  /** Its place in the order of receipt. */
  readonly sequence: number;
  readonly lane: Lane<T>;
  /** The next in its lane. */
  next: Entry<T> | undefined;
  /** Whether it has failed alone: it is then handled alone until it is settled. */
  failed: boolean;
  /** How often it found taken what it needs, which is no attempt. */
  postponed: number;
  /** How long it has waited for that in all. */
  postponedMs: number;
}

class LaneEntry<T> implements Entry<T> {
  readonly source: Source;
  message: IncomingMessage;
  delivery: Delivery<T>;
  readonly sequence: number;
  readonly lane: Lane<T>;
  next: Entry<T> | undefined = undefined;
  failed = false;
  postponed = 0;
  postponedMs = 0;

  constructor(source: Source, message: IncomingMessage, delivery: Delivery<T>, sequence: number, lane: Lane<T>) {
    this.source = source;
    this.message = message;
    this.delivery = delivery;
    this.sequence = sequence;
    this.lane = lane;
  }
}

/** The messages of one key, in order; one without a key has a lane to itself. */
export interface Lane<T> {
  readonly key: string | undefined;
  head: Entry<T> | undefined;
  tail: Entry<T> | undefined;
  size: number;
  /** Held while messages of it are being handled, or wait for their next attempt. */
  held: boolean;
  /** The next in the queue of lanes that may be taken from. */
  next: Lane<T> | undefined;
}

/** What was taken to be handled together. Each lane in it is held until it is released. */
export interface Taken<T> {
  readonly entries: Entry<T>[];
  readonly lanes: Lane<T>[];
}

/** Messages that wait, by key. */
export interface Lanes<T> {
  /** How many may be taken now. */
  readonly available: number;
  /** Puts a message at the end of the lane of its key. */
  add(source: Source, message: IncomingMessage, delivery: Delivery<T>): Entry<T>;
  /** Takes at most so many, in the order of receipt: all that it can of one lane before the next. One that failed before comes alone. */
  take(max: number): Taken<T>;
  /** Puts entries of a held lane back in front, in the order given. */
  putBack(lane: Lane<T>, entries: readonly Entry<T>[]): void;
  /** Lets go of a lane. */
  release(lane: Lane<T>): void;
}

function newLane<T>(key: string | undefined): Lane<T> {
  return { key, head: undefined, tail: undefined, size: 0, held: false, next: undefined };
}

/** Keeps messages of one key in order without a queue for each: lanes come and go with their messages. */
export function createLanes<T>(): Lanes<T> {
  const byKey = new PassingMap<string, Lane<T>>();
  let first: Lane<T> | undefined;
  let last: Lane<T> | undefined;
  let available = 0;
  let sequence = 0;

  const enqueue = (lane: Lane<T>): void => {
    if (last === undefined) first = lane;
    else last.next = lane;
    last = lane;
  };
  const dequeue = (lane: Lane<T>): void => {
    first = lane.next;
    if (first === undefined) last = undefined;
    lane.next = undefined;
    lane.held = true;
    available -= lane.size;
  };
  const shift = (lane: Lane<T>, entry: Entry<T>): void => {
    lane.head = entry.next;
    if (lane.head === undefined) lane.tail = undefined;
    lane.size -= 1;
    entry.next = undefined;
  };
  const laneFor = (key: string | undefined): Lane<T> => {
    if (key === undefined) return newLane(undefined);
    let lane = byKey.get(key);
    if (lane === undefined) {
      lane = newLane(key);
      byKey.add(key, lane);
    }
    return lane;
  };

  return {
    get available() {
      return available;
    },
    add: (source, message, delivery) => {
      const lane = laneFor(delivery.key);
      const entry = new LaneEntry(source, message, delivery, sequence++, lane);
      if (lane.tail === undefined) lane.head = entry;
      else lane.tail.next = entry;
      lane.tail = entry;
      lane.size += 1;
      if (!lane.held) {
        available += 1;
        if (lane.size === 1) enqueue(lane);
      }
      return entry;
    },
    take: (max) => {
      const entries: Entry<T>[] = [];
      const lanes: Lane<T>[] = [];
      while (first !== undefined && entries.length < max) {
        const lane = first;
        const alone = lane.head?.failed === true;
        if (alone && entries.length > 0) break;
        dequeue(lane);
        lanes.push(lane);
        for (let entry = lane.head; entry !== undefined && entries.length < max; entry = lane.head) {
          shift(lane, entry);
          entries.push(entry);
          if (alone) return { entries, lanes };
        }
      }
      if (entries.length > lanes.length) entries.sort((a, b) => a.sequence - b.sequence);
      return { entries, lanes };
    },
    putBack: (lane, entries) => {
      for (let i = entries.length - 1; i >= 0; i--) {
        const entry = entries[i] as Entry<T>;
        entry.next = lane.head;
        lane.head = entry;
        lane.tail ??= entry;
        lane.size += 1;
      }
    },
    release: (lane) => {
      lane.held = false;
      if (lane.size > 0) {
        available += lane.size;
        enqueue(lane);
      } else if (lane.key !== undefined) {
        byKey.delete(lane.key);
      }
    },
  };
}
