import type { StoredMessage } from './entry.ts';

/** The messages of one key on a key-shared subscription. */
export interface KeyLane<C> {
  readonly key: string;
  /** Who holds the key: the one with messages of it in hand. Means nothing while `inHand` is 0. */
  owner: C;
  /** How many of its messages are delivered and not settled. */
  inHand: number;
  /** Not handed out yet, by place. */
  parked: readonly StoredMessage[];
  /** Places of those that were given back and are not due yet, ascending: later ones wait for them. */
  waiting: readonly number[];
}

// Most lanes never need a list: they share this one until they do.
const none: readonly never[] = [];

export function createLane<C>(key: string, owner: C): KeyLane<C> {
  return { key, owner, inHand: 0, parked: none, waiting: none };
}

/** A list with an item more, ascending by `rank`. The list itself may be reused. */
export function withSorted<T>(list: readonly T[], item: T, rank: (item: T) => number): readonly T[] {
  const own = list === none ? [] : (list as T[]);
  let index = own.length;
  while (index > 0 && rank(own[index - 1] as T) > rank(item)) index -= 1;
  if (index === own.length) own.push(item);
  else own.splice(index, 0, item);
  return own;
}

/** A list without its item at an index. The list itself may be reused. */
export function without<T>(list: readonly T[], index: number): readonly T[] {
  if (index < 0) return list;
  if (list.length === 1) return none;
  const own = list as T[];
  if (index === 0) own.shift();
  else own.splice(index, 1);
  return own;
}

/** Whether a lane has a message that its owner, or anybody if nobody holds it, may have now. */
export function canAdvance<C>(lane: KeyLane<C>): boolean {
  const head = lane.parked[0];
  return head !== undefined && (lane.waiting.length === 0 || head.sequence < (lane.waiting[0] as number));
}
