import type { Connection, SendReceipt } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { BufferPool } from '../wire/buffer-pool.ts';
import { isSendIntact } from '../wire/send.ts';
import { confirm, type Entry, endFlush, type Flush, failAll, limitedSize } from './entry.ts';
import { PendingRing } from './pending-ring.ts';
import { judgeReceipt } from './receipts.ts';

/** What a queue tells its producer. */
export interface SendQueueHooks {
  /** So many messages with so many bytes are settled: there is room for others. */
  onSettled(messages: number, bytes: number): void;
  /** The broker has stored everything up to this sequence id. */
  onStored(sequenceId: number): void;
}

/** Options of {@link SendQueue}. */
export interface SendQueueOptions {
  readonly topic: string;
  readonly partition: number;
  readonly pool: BufferPool;
  readonly hooks: SendQueueHooks;
}

/** Entries from when they are made until the broker has confirmed them, in the order in which they were sent. */
export class SendQueue {
  readonly #options: SendQueueOptions;
  readonly #ring = new PendingRing();
  #connection: Connection | undefined;
  /** Whose socket is full. */
  #waitingFor: Connection | undefined;

  constructor(options: SendQueueOptions) {
    this.#options = options;
  }

  /** Entries that the broker has not confirmed. */
  get size(): number {
    return this.#ring.size;
  }

  /** When the oldest entry was made, by the clock of `performance.now()`. */
  get oldestCreatedAt(): number | undefined {
    return this.#ring.oldest?.createdAt;
  }

  /** Adds an entry behind all others, and writes it if the broker can be reached. */
  push(entry: Entry): void {
    this.#ring.push(entry);
    this.#write();
  }

  /** Writes everything again, in order, and from now on to this connection. */
  attach(connection: Connection): void {
    this.#connection = connection;
    this.#waitingFor = undefined;
    this.#dropTooLarge(connection.maxMessageSize);
    this.#ring.rewind();
    this.#write();
  }

  /** Nothing is written until the next connection is there. */
  detach(): void {
    this.#connection = undefined;
  }

  #write(): void {
    const connection = this.#connection;
    if (connection === undefined || connection === this.#waitingFor) return;
    while (!this.#ring.allWritten) {
      if (!connection.writable) {
        this.#writeWhenDrained(connection);
        return;
      }
      const entry = this.#ring.takeUnwritten() as Entry;
      entry.writes += 1;
      connection.write(entry.frame);
    }
  }

  #writeWhenDrained(connection: Connection): void {
    // Nothing drains any more: that it is gone is told soon, and then everything is written to another one.
    if (connection.closed) return;
    this.#waitingFor = connection;
    const goOn = (): void => {
      if (this.#waitingFor !== connection) return;
      this.#waitingFor = undefined;
      this.#write();
    };
    connection.drained().then(goOn, goOn);
  }

  /** Takes a receipt. Returns an error if it shows that the broker missed something: the connection is of no more use. */
  receive(receipt: SendReceipt): PulsarError | undefined {
    const { sequenceId, highestSequenceId } = receipt;
    const oldest = this.#ring.oldest;
    switch (judgeReceipt(oldest, sequenceId, highestSequenceId)) {
      case 'late':
        return undefined;
      case 'broken':
        return new PulsarError(
          'PROTOCOL',
          `the broker confirmed sequence id ${sequenceId}-${highestSequenceId} where ${oldest?.sequenceId}-${oldest?.highestSequenceId} is next`,
          { command: 'SEND_RECEIPT', retryable: true },
        );
      case 'stored': {
        const entry = this.#ring.shift() as Entry;
        confirm(entry, receipt, this.#options.partition, this.#options.topic);
        // Written once, and answered: no socket holds on to it.
        if (entry.writes === 1) this.#options.pool.give(entry.frame);
        if (entry.settles.length > 0) this.#options.hooks.onStored(entry.highestSequenceId);
        this.#leave(entry);
        return undefined;
      }
    }
  }

  #leave(entry: Entry): void {
    if (entry.flushes !== undefined) for (const flush of entry.flushes) endFlush(flush);
    this.#options.hooks.onSettled(entry.settles.length, entry.bytes);
  }

  /** The broker read another checksum than was written: sends everything again, unless the entry was damaged here, which fails it. */
  checksumRefused(sequenceId: number, error: PulsarError): void {
    const { oldest } = this.#ring;
    if (oldest === undefined) return;
    if (oldest.highestSequenceId === sequenceId || oldest.sequenceId === sequenceId) {
      if (!isSendIntact(oldest.frame)) {
        const cause = { command: 'SEND', serverError: error.serverError, retryable: false, cause: error };
        this.#failOldest(new PulsarError('CORRUPT', 'the bytes of a message were changed while it was being sent', cause));
        return;
      }
    }
    this.#ring.rewind();
    this.#write();
  }

  /** The broker takes everything but this one. */
  refused(sequenceId: number, error: PulsarError): void {
    const { oldest } = this.#ring;
    if (oldest !== undefined && oldest.sequenceId === sequenceId) this.#failOldest(error);
  }

  #failOldest(error: PulsarError): void {
    const group = this.#ring.oldest?.chunk;
    do {
      const entry = this.#ring.shift();
      if (entry === undefined) return;
      this.#noteFailure(error, entry.flushes);
      failAll(entry.settles, error);
      this.#leave(entry);
    } while (group !== undefined && this.#ring.oldest?.chunk === group);
  }

  /** Whoever waits for this entry or a later one is told that not everything went well. */
  #noteFailure(error: PulsarError, own: readonly Flush[] | undefined): void {
    for (const flush of own ?? []) flush.error ??= error;
    for (let index = 0; index < this.#ring.size; index++) {
      for (const flush of this.#ring.at(index)?.flushes ?? []) flush.error ??= error;
    }
  }

  #dropTooLarge(maxMessageSize: number): void {
    const kept: Entry[] = [];
    const dropped: Entry[] = [];
    for (let index = 0; index < this.#ring.size; index++) {
      const entry = this.#ring.at(index) as Entry;
      (limitedSize(entry) > maxMessageSize ? dropped : kept).push(entry);
    }
    if (dropped.length === 0) return;
    while (this.#ring.shift() !== undefined);
    for (const entry of kept) this.#ring.push(entry);
    for (const entry of dropped) {
      const error = new PulsarError(
        'MESSAGE_TOO_LARGE',
        `${limitedSize(entry)} bytes are larger than the ${maxMessageSize} of the broker that has the topic now`,
        { command: 'SEND' },
      );
      this.#noteFailure(error, entry.flushes);
      failAll(entry.settles, error);
      this.#leave(entry);
    }
  }

  /** Fails everything and is empty. */
  failAll(error: PulsarError): void {
    const entries: Entry[] = [];
    for (let entry = this.#ring.shift(); entry !== undefined; entry = this.#ring.shift()) entries.push(entry);
    for (const entry of entries) {
      failAll(entry.settles, error);
      for (const flush of entry.flushes ?? []) flush.error ??= error;
      this.#leave(entry);
    }
  }

  /** Resolves once everything that is here is settled; rejects with the first failure among it. */
  flushed(): Promise<void> {
    const { newest } = this.#ring;
    if (newest === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      newest.flushes ??= [];
      newest.flushes.push({ error: undefined, resolve, reject });
    });
  }
}
