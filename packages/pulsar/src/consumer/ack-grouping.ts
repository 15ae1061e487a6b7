import type { Connection } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { BitSet } from '../message/bit-set.ts';
import { type AckFields, encodeAck, type WirePosition } from '../wire/commands.ts';
import { AckTable } from './ack-table.ts';

/** How many entries one ACK names at most. */
const PIECE = 1000;

/** What a promise is that has nothing to wait for. */
export const done: Promise<void> = Promise.resolve();

/** How acknowledgements are sent. */
export interface AckGroupingOptions {
  readonly consumerId: number;
  /** How long acknowledgements are collected, in milliseconds; 0: each is sent at once. */
  readonly groupMs: number;
  /** How many are collected at most. */
  readonly maxPending: number;
  /** Whether promises wait for the broker's answer. */
  readonly receipts: boolean;
  /** How long an acknowledgement may wait for a connection, in milliseconds, before its promise rejects. */
  readonly timeoutMs: number;
}

/** Up to where everything is acknowledged. */
interface Cumulative {
  readonly ledger: number;
  readonly entry: number;
  readonly position: WirePosition;
  /** Of a batch that is not acknowledged as a whole: the last index that is. */
  readonly batchIndex: number | undefined;
}

/** Collects acknowledgements, sends them together, and keeps them while there is no connection. Knows what was acknowledged already. */
export class AckGrouping {
  readonly #options: AckGroupingOptions;
  readonly #individual = new AckTable();
  #cumulative: Cumulative | undefined;
  #cumulativePending = false;
  #connection: Connection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #group: Group | undefined;
  /** What every acknowledgement is once it is over. */
  #over: Promise<never> | undefined;

  constructor(options: AckGroupingOptions) {
    this.#options = options;
  }

  /** A session begins: sends what waited for it. */
  connect(connection: Connection): void {
    this.#connection = connection;
    this.#sendAll();
  }

  disconnect(): void {
    this.#connection = undefined;
  }

  /** Acknowledges an entry, or what is not left of its batch. */
  add(ledgerId: bigint, entryId: bigint, left?: BitSet): Promise<void> {
    this.#individual.add(ledgerId, entryId, left);
    return this.#added();
  }

  /** Acknowledges everything up to a position; never goes back. `batchIndex`: only up to there in its batch. */
  addCumulative(position: WirePosition, batchIndex?: number): Promise<void> {
    const next = { ledger: Number(position.ledgerId), entry: Number(position.entryId), position, batchIndex };
    if (this.#cumulative !== undefined && compare(next, this.#cumulative) <= 0) return this.#group?.promise ?? done;
    this.#cumulative = next;
    this.#cumulativePending = true;
    return this.#added();
  }

  #added(): Promise<void> {
    if (this.#over !== undefined) return this.#over;
    const { groupMs, maxPending, receipts, timeoutMs } = this.#options;
    let waiting = done;
    if (receipts) {
      // What comes later waits anew.
      this.#group ??= createGroup(timeoutMs, () => {
        this.#group = undefined;
      });
      waiting = this.#group.promise;
    }
    if (groupMs === 0 || this.#individual.size >= maxPending) this.#sendAll();
    else this.#timer ??= setTimeout(() => this.#sendAll(), groupMs);
    return waiting;
  }

  /** Whether a message that comes again is acknowledged already, as far as the broker may not know. */
  isDuplicate(ledger: number, entry: number, batchIndex: number): boolean {
    const last = this.#cumulative;
    if (last !== undefined && ledger <= last.ledger) {
      if (ledger < last.ledger || entry < last.entry) return true;
      if (entry === last.entry && (last.batchIndex === undefined || (batchIndex >= 0 && batchIndex <= last.batchIndex))) return true;
    }
    return this.#individual.size > 0 && this.#individual.has(ledger, entry, batchIndex);
  }

  /** Sends what is collected. Resolves when it is sent, or answered if answers are asked for. */
  flush(): Promise<void> {
    const waiting = this.#group?.promise ?? done;
    this.#sendAll();
    return this.#connection === undefined ? done : waiting;
  }

  #sendAll(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const connection = this.#connection;
    if (connection === undefined) return;
    const frames: Buffer[] = [];
    const answers: Promise<unknown>[] = [];
    const send = (type: AckFields['type'], positions: readonly WirePosition[]): void => {
      const requestId = this.#group === undefined ? undefined : connection.nextRequestId();
      frames.push(encodeAck({ consumerId: this.#options.consumerId, type, positions, requestId }));
      if (requestId !== undefined) answers.push(connection.awaitAnswer(requestId, 'ACK'));
    };
    if (this.#cumulativePending && this.#cumulative !== undefined) send('cumulative', [this.#cumulative.position]);
    this.#cumulativePending = false;
    for (const piece of this.#individual.drain(PIECE)) send('individual', piece);
    if (frames.length > 0) connection.write(frames);
    this.#group?.settle(Promise.all(answers));
    this.#group = undefined;
  }

  /** Forgets everything: the cursor was moved. */
  reset(): void {
    this.#individual.clear();
    this.#cumulative = undefined;
    this.#cumulativePending = false;
    this.#group?.settle(Promise.resolve());
    this.#group = undefined;
  }

  /** Stops for good. What was not sent is not acknowledged. */
  close(error: PulsarError): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#connection = undefined;
    this.#over = Promise.reject(error);
    // Nobody has to wait for an acknowledgement.
    this.#over.catch(() => undefined);
    this.#group?.settle(this.#over);
    this.#group = undefined;
  }
}

function compare(left: Cumulative, right: Cumulative): number {
  const whole = Number.MAX_SAFE_INTEGER;
  return left.ledger - right.ledger || left.entry - right.entry || (left.batchIndex ?? whole) - (right.batchIndex ?? whole);
}

/** Acknowledgements that are sent together. */
interface Group {
  readonly promise: Promise<void>;
  /** They are sent: their promise settles as this one. */
  settle(answer: Promise<unknown>): void;
}

function createGroup(timeoutMs: number, onTimeout: () => void): Group {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Nobody has to wait for an acknowledgement; whoever does gets the error.
  promise.catch(() => undefined);
  const timer = setTimeout(() => {
    onTimeout();
    reject(new PulsarError('NOT_CONNECTED', `no connection to acknowledge by for ${timeoutMs} ms`, { command: 'ACK' }));
  }, timeoutMs);
  return {
    promise,
    settle: (answer) => {
      clearTimeout(timer);
      answer.then(() => resolve(), reject);
    },
  };
}
