import type { Connection, MessageFrame } from '../connection/port.ts';
import type { Lookup } from '../lookup/port.ts';
import type { Entry } from '../message/entry.ts';
import type { MessageSource, ReceivedMessage } from '../message/message.ts';
import type { ValueDecoder } from '../schema/port.ts';
import { createTopicDecoder, type TopicDecoder } from '../schema/topic-decoder.ts';
import { encodeAck } from '../wire/commands.ts';
import type { AckGrouping } from './ack-grouping.ts';
import type { Acknowledger } from './acknowledger.ts';
import { ChunkStore } from './chunks.ts';
import { type DeadLetterHooks, DeadLetters } from './dead-letters.ts';
import type { Inbox } from './inbox.ts';
import { Intake, type IntakeHooks } from './intake.ts';
import type { ConsumerSettings } from './options.ts';
import { keyOf, type Redeliverable, type Redelivery } from './redelivery.ts';
import type { Rewind } from './rewind.ts';
import { SchemaGate } from './schema-gate.ts';
import { isBeforeStart, type StartPosition } from './start-filter.ts';

/** Where messages go that were delivered too often. */
export type DeadLetterTarget<T> = Pick<DeadLetterHooks<T>, 'maxRedeliveries' | 'send'>;

/** Options of {@link Incoming}. */
export interface IncomingOptions<T> {
  readonly source: MessageSource<T>;
  readonly consumerId: number;
  readonly settings: ConsumerSettings;
  readonly lookup: Lookup;
  readonly schema: ValueDecoder<T> | undefined;
  readonly deadLetter: DeadLetterTarget<T> | undefined;
  readonly inbox: Inbox<T>;
  readonly grouping: AckGrouping;
  readonly acknowledger: Acknowledger;
  readonly redelivery: Redelivery;
  readonly rewind: Rewind;
  /** Whether the broker keeps the cursor: it waits for what is skipped, and may send again what was acknowledged. */
  readonly durable: boolean;
  readonly connection: () => Connection | undefined;
}

/** The way of messages into the inbox: reads frames, puts chunks together, waits for schemas, and leaves out what is not to be seen. */
export class Incoming<T> {
  readonly #options: IncomingOptions<T>;
  readonly #chunks: ChunkStore;
  readonly #intake: Intake<T>;
  readonly #decoder: TopicDecoder<T> | undefined;
  readonly #gate: SchemaGate<T> | undefined;
  readonly #deadLetters: DeadLetters<T> | undefined;
  readonly #state = { session: 0, epoch: 0, start: undefined as StartPosition | undefined, sinceMs: 0, maxMessageSize: 0, drop: false };

  constructor(options: IncomingOptions<T>) {
    const { settings, source, schema, lookup, deadLetter, grouping, acknowledger, redelivery } = options;
    this.#options = options;
    this.#chunks = new ChunkStore({
      maxPending: settings.maxPendingChunkedMessages,
      expiryMs: settings.chunkExpiryMs,
      autoAckOldest: settings.autoAckOldestChunkedMessage,
      acknowledge: (positions) => {
        for (const { ledgerId, entryId } of positions) ignored(grouping.add(ledgerId, entryId));
      },
      abandon: (positions) => {
        for (const position of positions) redelivery.handedOut({ ...position, redeliveryCount: 0 });
      },
    });
    this.#intake = new Intake(this.#intakeHooks());
    if (schema !== undefined) {
      this.#decoder = createTopicDecoder({ schema, topic: source.topic, lookup });
      this.#gate = new SchemaGate(this.#decoder, (entry, messages) => this.#enqueue(entry, messages));
    }
    if (deadLetter === undefined) return;
    this.#deadLetters = new DeadLetters({
      ...deadLetter,
      acknowledge: (entry) => {
        entry.acknowledged = true;
        ignored(acknowledger.whole(entry));
      },
      giveBack: (entry) => redelivery.negative(entry),
      onError: (error) => settings.events.onError?.(error, source.topic),
    });
  }

  #intakeHooks(): IntakeHooks<T> {
    const { settings, source, inbox, rewind, grouping, connection, consumerId, durable } = this.#options;
    const { topic } = source;
    return {
      source,
      chunks: this.#chunks,
      deliver: (entry, messages) => {
        if (this.#gate === undefined) this.#enqueue(entry, messages);
        else this.#gate.put(entry, messages);
      },
      onCharged: (messages) => {
        inbox.arrived(messages);
        rewind.arrived();
      },
      giveBack: (permits) => inbox.giveBack(permits),
      // A volatile cursor is acknowledged when a message is handed out, which may be given back and then be wanted again.
      isDuplicate: (ledger, entry, batchIndex) => durable && grouping.isDuplicate(ledger, entry, batchIndex),
      onCorrupt: ({ ledgerId, entryId }, validationError, error) => {
        settings.events.onError?.(error, topic);
        connection()?.write(encodeAck({ consumerId, type: 'individual', positions: [{ ledgerId, entryId }], validationError }));
      },
      onSkipped: (entry) => this.#skipped(entry),
      onUnusable: (error) => settings.events.onError?.(error, topic),
    };
  }

  /** Messages of the entry are noted as acknowledged without having been seen. */
  #skipped(entry: Entry<MessageSource<T>>): void {
    const { settings, grouping, acknowledger, durable } = this.#options;
    if (!durable) return;
    if (entry.acknowledged) ignored(acknowledger.whole(entry));
    else if (settings.batchIndexAck) ignored(grouping.add(entry.ledgerId, entry.entryId, entry.left));
  }

  #enqueue(entry: Entry<MessageSource<T>>, messages: ReceivedMessage<T>[]): void {
    const { inbox } = this.#options;
    if (this.#deadLetters?.admit(entry, messages) === false) {
      inbox.giveBack(messages.length);
      return;
    }
    inbox.put(messages);
    // Where lists often outlive a collection the engine makes them old from the start, and then all that is in them is collected late.
    messages.length = 0;
  }

  /** What was published before, and what lies before a position, is left out from here on. */
  startAt(start: StartPosition | undefined, sinceMs = 0): void {
    this.#state.start = start;
    this.#state.sinceMs = sinceMs;
  }

  /** Takes a frame of a session; of an epoch before `epoch` it is dropped. */
  onFrame(frame: MessageFrame, connection: Connection, session: number, epoch: number): void {
    const state = this.#state;
    state.session = session;
    state.epoch = epoch;
    state.maxMessageSize = connection.maxMessageSize;
    state.drop = this.#options.rewind.underWay;
    this.#intake.onFrame(frame, state);
  }

  decode(message: ReceivedMessage<T>): T {
    // Without a schema the type of values is that of bytes.
    if (this.#decoder === undefined) return message.data as T;
    return this.#decoder.decode(message.data, message.entry.metadata.schemaVersion);
  }

  /** Takes over an entry that is to be delivered again, if that happened too often. */
  divert(entry: Redeliverable): boolean {
    return this.#deadLetters?.divert(entry) ?? false;
  }

  /** The entry is done with. */
  acknowledged(entry: Redeliverable): void {
    this.#deadLetters?.acknowledged(entry);
  }

  /** Drops what nobody has taken: of the entries with these keys, or all. Returns how many messages. */
  remove(keys?: ReadonlySet<string>): number {
    return this.#remove((entry) => keys?.has(keyOf(entry)) ?? true);
  }

  #remove(matches: (entry: Entry<MessageSource<T>>) => boolean): number {
    return (this.#gate?.remove(matches) ?? 0) + this.#options.inbox.remove(({ entry }) => matches(entry));
  }

  /** Drops everything: it is delivered again, or of no interest any more. */
  clear(): void {
    this.remove();
    this.#forget();
  }

  /** The cursor was moved by a session: what that one and those before it brought is void, and so is what lies before the start. */
  moved(session: number, start: StartPosition | undefined): void {
    const { inbox } = this.#options;
    this.startAt(start);
    this.#forget();
    this.#remove((entry) => entry.session <= session);
    if (start === undefined) return;
    // A session that came before the answer did not know what to leave out.
    const skipped = new Set<Entry<MessageSource<T>>>();
    const early = inbox.remove(({ entry, batchIndex }) => {
      if (!isBeforeStart(start, entry.ledgerId, entry.entryId, batchIndex)) return false;
      entry.acknowledge(batchIndex);
      skipped.add(entry);
      return true;
    });
    if (early > 0) inbox.giveBack(early);
    for (const entry of skipped) this.#skipped(entry);
  }

  #forget(): void {
    this.#deadLetters?.clear();
    this.#chunks.clear();
  }
}

/** An acknowledgement that nobody waits for: if it fails the message comes again. */
export function ignored(acknowledgement: Promise<void>): void {
  acknowledgement.catch(() => undefined);
}
