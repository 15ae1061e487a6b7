import type { MessageId } from '../broker/port.ts';
import type { Clock, ClockTimer } from '../clock/port.ts';
import { PassingMap } from '../consumer/passing-map.ts';
import { PairHeap } from '../embedded/broker/pair-heap.ts';

/**
 * - `ready`: to be handed out.
 * - `in-hand`: handed out.
 * - `waiting`: given back and not due, or behind one of its key that is.
 * - `settling`: being acknowledged.
 * - `settled`: acknowledged, or forgotten.
 */
export type HeldState = 'ready' | 'in-hand' | 'waiting' | 'settling' | 'settled';

/** A message that came from Pulsar and is not acknowledged. */
export interface Held<N> {
  /** The copy that came last: when a connection was lost, Pulsar delivers again what is not acknowledged. */
  native: N;
  /** Whether an acknowledgement of that copy was lost on its way, or what it came by. */
  lost: boolean;
  readonly id: MessageId;
  readonly key: string | undefined;
  /** In which order they came. */
  readonly sequence: number;
  /** How often it was delivered before. */
  redeliveries: number;
  state: HeldState;
  /** Of its acknowledgement that is under way. */
  settlement: Promise<void> | undefined;
  /** When it may be handed out again, by the clock's monotonic time. */
  dueMs: number;
}

/** Made by `new`, as all that lives as long as a message does: the engine moves literals that often outlive a collection, and then all they hold, to memory that is rarely collected. */
class HeldMessage<N> implements Held<N> {
  native: N;
  lost = false;
  readonly id: MessageId;
  readonly key: string | undefined;
  readonly sequence: number;
  redeliveries: number;
  state: HeldState = 'ready';
  settlement: Promise<void> | undefined = undefined;
  dueMs = 0;

  constructor(native: N, { id, key, redeliveries }: ReturnType<HoldingOptions<N>['describe']>, sequence: number) {
    this.native = native;
    this.id = id;
    this.key = key;
    this.sequence = sequence;
    this.redeliveries = redeliveries;
  }
}

/** How messages are held. */
export interface HoldingOptions<N> {
  /** Whether a message that waits holds up later ones of its key. */
  readonly keyed: boolean;
  readonly clock: Clock;
  readonly describe: (native: N) => { readonly id: MessageId; readonly key: string | undefined; readonly redeliveries: number };
  /** Called when messages that waited are due. */
  readonly onDue: () => void;
}

/** Messages of one consumer from when they come until they are acknowledged; gives back what is due in the right order. */
export interface Holding<N> {
  /** How many are handed out and not settled. */
  readonly inHand: number;
  readonly waiting: number;
  /** Takes in what Pulsar delivered. Another copy of a message that is held takes the place of the first. */
  arrive(natives: readonly N[]): void;
  /** Hands out the next one that may be. */
  next(): Held<N> | undefined;
  find(id: MessageId): Held<N> | undefined;
  giveBack(held: Held<N>, delayMs: number): void;
  /** It is about to be acknowledged: not handed out meanwhile. */
  settling(held: Held<N>): void;
  settled(held: Held<N>): void;
  /** It could not be acknowledged: still in hand. */
  unsettled(held: Held<N>): void;
  /** The client that they came by is gone: what was to be acknowledged by it is so by its id. */
  lose(): void;
  /** Forgets what matches: its cursor was moved. Default: everything. */
  clear(matches?: (native: N) => boolean): void;
}

/** Makes a {@link Holding}. */
export function createHolding<N>({ keyed, clock, describe, onDue }: HoldingOptions<N>): Holding<N> {
  const byId = new PassingMap<MessageId, Held<N>>();
  const bySequence = new Map<number, Held<N>>();
  /** Never handed out; from `head` on. */
  let fresh: (Held<N> | undefined)[] = [];
  let head = 0;
  /** Handed out before and due: by place. */
  const replay = new PairHeap();
  /** Not due yet: by time. */
  const later = new PairHeap();
  /** Keys with a message that waits: those of the key that wait, in their order. */
  const lanes = new Map<string, Held<N>[]>();
  let sequences = 0;
  let inHand = 0;
  let waiting = 0;
  let timer: ClockTimer | undefined;
  let timerMs = Number.POSITIVE_INFINITY;

  const makeReady = (held: Held<N>): void => {
    held.state = 'ready';
    waiting -= 1;
    replay.push(held.sequence, held.sequence);
  };

  const isDue = (held: Held<N>): boolean => held.dueMs <= clock.monotonic();

  /** Lets those go whose turn has come. */
  const advance = (key: string, lane: Held<N>[]): void => {
    while (lane[0] !== undefined && isDue(lane[0])) makeReady(lane.shift() as Held<N>);
    if (lane.length === 0) lanes.delete(key);
  };

  const wait = (held: Held<N>): void => {
    held.state = 'waiting';
    waiting += 1;
    bySequence.set(held.sequence, held);
    if (!keyed || held.key === undefined) return;
    const lane = lanes.get(held.key) ?? [];
    lanes.set(held.key, lane);
    const at = lane.findIndex((other) => other.sequence > held.sequence);
    lane.splice(at < 0 ? lane.length : at, 0, held);
  };

  const arm = (): void => {
    if (later.lowest === timerMs) return;
    timer?.cancel();
    timerMs = later.lowest;
    timer = timerMs === Number.POSITIVE_INFINITY ? undefined : clock.setTimer(Math.max(0, timerMs - clock.monotonic()), tick);
  };

  function tick(): void {
    timerMs = Number.POSITIVE_INFINITY;
    timer = undefined;
    while (later.lowest <= clock.monotonic()) {
      const held = bySequence.get(later.pop() ?? -1);
      // Acknowledged since, or given back anew.
      if (held?.state !== 'waiting' || !isDue(held)) continue;
      const lane = held.key === undefined ? undefined : lanes.get(held.key);
      if (lane === undefined) makeReady(held);
      else advance(held.key as string, lane);
    }
    arm();
    onDue();
  }

  const pop = (): Held<N> | undefined => {
    if (replay.size > 0) return bySequence.get(replay.pop() ?? -1);
    const held = fresh[head];
    if (held === undefined) return undefined;
    // What was handed out is not kept alive by its place here.
    fresh[head] = undefined;
    head += 1;
    if (head > 1_000 && head * 2 > fresh.length) {
      fresh = fresh.slice(head);
      head = 0;
    }
    return held;
  };

  const forget = (held: Held<N>): void => {
    held.state = 'settled';
    byId.delete(held.id);
    bySequence.delete(held.sequence);
  };

  const clearAll = (): void => {
    for (const held of byId.values()) held.state = 'settled';
    byId.clear();
    bySequence.clear();
    fresh = [];
    head = 0;
    replay.clear();
    later.clear();
    lanes.clear();
    inHand = 0;
    waiting = 0;
    arm();
  };

  const leaveLane = (held: Held<N>): void => {
    waiting -= 1;
    const lane = held.key === undefined ? undefined : lanes.get(held.key);
    if (lane === undefined) return;
    lane.splice(lane.indexOf(held), 1);
    advance(held.key as string, lane);
  };

  const clearSome = (matches: (native: N) => boolean): void => {
    for (const held of byId.values()) {
      if (!matches(held.native)) continue;
      const { state } = held;
      // Before its lane goes on, which must not hand it out.
      forget(held);
      if (state === 'in-hand' || state === 'settling') inHand -= 1;
      else if (state === 'waiting') leaveLane(held);
    }
  };

  return {
    get inHand() {
      return inHand;
    },
    get waiting() {
      return waiting;
    },
    find: (id) => byId.get(id),
    arrive: (natives) => {
      for (const native of natives) {
        const described = describe(native);
        const known = byId.get(described.id);
        if (known !== undefined) {
          known.native = native;
          known.lost = false;
          continue;
        }
        const held = new HeldMessage(native, described, sequences++);
        byId.add(held.id, held);
        fresh.push(held);
      }
    },
    next: () => {
      while (replay.size > 0 || head < fresh.length) {
        const held = pop();
        if (held?.state !== 'ready') continue;
        const [first] = (keyed && held.key !== undefined && lanes.get(held.key)) || [];
        if (first !== undefined && first.sequence < held.sequence) {
          wait(held);
          continue;
        }
        held.state = 'in-hand';
        inHand += 1;
        return held;
      }
      return undefined;
    },
    giveBack: (held, delayMs) => {
      if (held.state !== 'in-hand') return;
      inHand -= 1;
      held.redeliveries += 1;
      held.dueMs = clock.monotonic() + delayMs;
      wait(held);
      later.push(held.dueMs, held.sequence);
      arm();
    },
    settling: (held) => {
      const before = held.state;
      held.state = 'settling';
      if (before === 'in-hand') return;
      inHand += 1;
      if (before === 'waiting') leaveLane(held);
    },
    settled: (held) => {
      if (held.state !== 'settling') return;
      inHand -= 1;
      forget(held);
    },
    unsettled: (held) => {
      if (held.state === 'settling') held.state = 'in-hand';
    },
    lose: () => {
      for (const held of byId.values()) held.lost = true;
    },
    clear: (matches) => {
      if (matches === undefined) clearAll();
      else clearSome(matches);
    },
  };
}
