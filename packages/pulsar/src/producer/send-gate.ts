import { PulsarError } from '../errors/pulsar-error.ts';
import { failAll, type Settle } from './entry.ts';
import type { Outgoing } from './message.ts';
import type { SendRoom } from './send-room.ts';

interface Waiting {
  readonly outgoing: Outgoing;
  readonly settle: Settle;
  /** Something has to be done before. */
  preparing: boolean;
  room: 'none' | 'bytes' | 'all';
  /** Called when it and all before it are gone. */
  onGone: (() => void)[] | undefined;
}

/** Options of {@link SendGate}. */
export interface SendGateOptions {
  /** What has to be done before the message may be sent, if anything. */
  readonly prerequisite: (outgoing: Outgoing) => Promise<unknown> | undefined;
  readonly room: SendRoom;
  readonly blockIfQueueFull: boolean;
  /** There is room for it, and it is its turn. */
  readonly admit: (outgoing: Outgoing, settle: Settle) => void;
}

/** Lets messages pass in order: at once where there is room, else when there is, or not at all. */
export class SendGate {
  readonly #options: SendGateOptions;
  readonly #closed = new AbortController();
  readonly #goOn = (): void => this.#advance();
  #line: Waiting[] = [];
  /** Where the line begins: what stands before is gone. */
  #head = 0;
  #waitsForBytes = false;

  constructor(options: SendGateOptions) {
    this.#options = options;
  }

  offer(outgoing: Outgoing, settle: Settle): void {
    const { room, admit, prerequisite, blockIfQueueFull } = this.#options;
    const bytes = outgoing.payload.length;
    const inLine = this.#head < this.#line.length;
    // Who waits for room holds none: those before it get theirs first.
    const outcome = inLine && blockIfQueueFull ? 'no-place' : room.take(bytes);
    if (outcome !== 'taken' && !blockIfQueueFull) {
      failAll([settle], room.refusal(outcome, bytes));
      return;
    }
    const required = prerequisite(outgoing);
    if (outcome === 'taken' && required === undefined && !inLine) {
      admit(outgoing, settle);
      return;
    }
    const preparing = required !== undefined;
    const waiting: Waiting = { outgoing, settle, preparing, room: outcome === 'taken' ? 'all' : 'none', onGone: undefined };
    this.#line.push(waiting);
    required?.then(
      () => {
        waiting.preparing = false;
        this.#advance();
      },
      (error: unknown) => this.#reject(waiting, error),
    );
    if (!inLine) this.#advance();
  }

  #advance(): void {
    for (let next = this.#line[this.#head]; next !== undefined && this.#isReady(next); next = this.#line[this.#head]) {
      this.#head += 1;
      this.#options.admit(next.outgoing, next.settle);
      for (const callback of next.onGone ?? []) callback();
    }
    if (this.#head > 1_000 || this.#head === this.#line.length) this.#compact();
  }

  #compact(): void {
    if (this.#head * 2 < this.#line.length) return;
    this.#line = this.#line.slice(this.#head);
    this.#head = 0;
  }

  #isReady(waiting: Waiting): boolean {
    const { room } = this.#options;
    if (waiting.room === 'none') {
      const outcome = room.take(waiting.outgoing.payload.length);
      if (outcome === 'no-memory') this.#waitForBytes(waiting);
      else if (outcome === 'no-place') room.whenFree(this.#goOn);
      else waiting.room = 'all';
    } else if (waiting.room === 'bytes') {
      if (room.takePlace()) waiting.room = 'all';
      else room.whenFree(this.#goOn);
    }
    return waiting.room === 'all' && !waiting.preparing;
  }

  #waitForBytes(waiting: Waiting): void {
    if (this.#waitsForBytes) return;
    this.#waitsForBytes = true;
    const { room } = this.#options;
    const bytes = waiting.outgoing.payload.length;
    room.waitForBytes(bytes, this.#closed.signal).then(
      () => {
        this.#waitsForBytes = false;
        if (waiting.room === 'none' && this.#line[this.#head] === waiting) waiting.room = 'bytes';
        else room.giveBytes(bytes);
        this.#advance();
      },
      // The gate is closed, and everybody was told.
      () => undefined,
    );
  }

  #reject(waiting: Waiting, cause: unknown): void {
    const at = this.#line.indexOf(waiting, this.#head);
    if (at < 0) return;
    this.#line.splice(at, 1);
    this.#giveBack(waiting);
    const error = PulsarError.is(cause) ? cause : new PulsarError('PROTOCOL', 'a message cannot be sent', { cause });
    failAll([waiting.settle], error);
    const before = at === this.#head ? undefined : this.#line[at - 1];
    if (before === undefined) for (const callback of waiting.onGone ?? []) callback();
    else before.onGone = [...(before.onGone ?? []), ...(waiting.onGone ?? [])];
    this.#advance();
  }

  #giveBack(waiting: Waiting): void {
    const bytes = waiting.outgoing.payload.length;
    if (waiting.room === 'all') this.#options.room.give(1, bytes);
    else if (waiting.room === 'bytes') this.#options.room.giveBytes(bytes);
  }

  /** Resolves once everything that waits now is gone; `undefined` if nothing does. */
  passed(): Promise<void> | undefined {
    const last = this.#head < this.#line.length ? this.#line.at(-1) : undefined;
    if (last === undefined) return undefined;
    return new Promise((resolve) => {
      last.onGone = [...(last.onGone ?? []), resolve];
    });
  }

  /** Rejects everything that waits. */
  close(error: PulsarError): void {
    const waiting = this.#line.slice(this.#head);
    this.#line = [];
    this.#head = 0;
    this.#closed.abort(error);
    for (const one of waiting) this.#giveBack(one);
    failAll(
      waiting.map(({ settle }) => settle),
      error,
    );
    for (const { onGone } of waiting) for (const callback of onGone ?? []) callback();
  }
}
