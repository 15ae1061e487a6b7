import type { ClientContext } from '../client/context.ts';
import type { Connection } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { BaseCommand } from '../gen/pulsar/wire_pb.ts';
import { Entry } from '../message/entry.ts';
import {
  type AcknowledgeOptions,
  entryOf,
  type MessageSource,
  type NegativeAcknowledgeOptions,
  type ReceivedMessage,
} from '../message/message.ts';
import { MessageId } from '../message/message-id.ts';
import type { ValueDecoder } from '../schema/port.ts';
import { createTopicDecoder, type TopicDecoder } from '../schema/topic-decoder.ts';
import { encodeAck, encodeFlow, encodeRedeliverAll } from '../wire/commands.ts';
import { AckGrouping, done } from './ack-grouping.ts';
import { acknowledgeInTransaction } from './ack-transaction.ts';
import { Acknowledger } from './acknowledger.ts';
import { ChunkStore } from './chunks.ts';
import { consumerStats, subscribe, unsubscribe } from './consumer-commands.ts';
import { Cursor, type LastMessage, type SeekPosition, type SeekTarget } from './cursor.ts';
import { DeadLetters } from './dead-letters.ts';
import { Intake } from './intake.ts';
import type { ConsumerSettings } from './options.ts';
import { Permits } from './permits.ts';
import type { ReceiveQueue } from './receive-queue.ts';
import { keyOf, Redelivery } from './redelivery.ts';
import { Rewind } from './rewind.ts';
import { SchemaGate } from './schema-gate.ts';
import { Session } from './session.ts';
import { callReady } from './session-calls.ts';
import { isBeforeStart, type StartPosition } from './start-filter.ts';
import { VolatilePosition, type VolatileStart } from './volatile-position.ts';

/** Options of {@link TopicConsumer}. */
export interface TopicConsumerOptions<T> {
  readonly context: ClientContext;
  /** Full name, partition included. */
  readonly topic: string;
  /** -1: not partitioned. */
  readonly partition: number;
  readonly settings: ConsumerSettings;
  /** Where a durable cursor begins that does not exist yet. */
  readonly initialPosition: 'earliest' | 'latest';
  readonly queue: ReceiveQueue<ReceivedMessage<T>>;
  readonly queueSize: number;
  readonly schema: ValueDecoder<T> | undefined;
  /** `undefined`: the cursor is durable. */
  readonly start?: VolatileStart | undefined;
  readonly forceTopicCreation: boolean;
  /** Sends a message to the dead-letter topic; `undefined`: none goes there. */
  readonly deadLetter?: { readonly maxRedeliveries: number; readonly send: (message: ReceivedMessage<T>) => Promise<void> } | undefined;
  /** The consumer is over. */
  readonly onFailed: (error: PulsarError) => void;
}

/** Receives from one topic or partition: keeps the subscription, the permits and the acknowledgements of one consumer of the protocol. */
export class TopicConsumer<T> implements MessageSource<T> {
  readonly topic: string;
  readonly partition: number;
  readonly #options: TopicConsumerOptions<T>;
  readonly #consumerId: number;
  readonly #persistent: boolean;
  readonly #session: Session;
  readonly #permits: Permits;
  readonly #grouping: AckGrouping;
  readonly #acknowledger: Acknowledger;
  readonly #redelivery: Redelivery;
  readonly #rewind: Rewind;
  readonly #cursor: Cursor;
  readonly #chunks: ChunkStore;
  readonly #intake: Intake<T>;
  readonly #decoder: TopicDecoder<T> | undefined;
  readonly #gate: SchemaGate<T> | undefined;
  readonly #deadLetters: DeadLetters<T> | undefined;
  readonly #position: VolatilePosition | undefined;
  #filter: StartPosition | undefined;
  #sinceMs = 0;
  #epoch = 0;
  #queued = 0;
  /** Whether the one message that a consumer without a queue asked for has not come. */
  #asked = false;
  #closing: Promise<void> | undefined;

  constructor(options: TopicConsumerOptions<T>) {
    const { context, topic, partition, settings, queueSize, schema, start, deadLetter } = options;
    this.#options = options;
    this.topic = topic;
    this.partition = partition;
    this.#consumerId = context.nextConsumerId();
    this.#persistent = !topic.startsWith('non-persistent://');
    const consumerId = this.#consumerId;
    const calls = { topic, timeoutMs: context.operationTimeoutMs };
    this.#session = new Session({ context, topic, consumerId, hooks: this.#sessionHooks() });
    this.#permits = new Permits({
      queueSize,
      flow: (permits) => this.#session.connection?.write(encodeFlow(consumerId, permits)),
      mayFlow: () => {
        const { limitBytes, usedBytes } = context.memory;
        return limitBytes === 0 || usedBytes < limitBytes || this.#queued === 0;
      },
    });
    this.#grouping = new AckGrouping({
      consumerId,
      groupMs: settings.ackGroupTimeMs,
      maxPending: settings.ackGroupMaxSize,
      receipts: settings.ackReceipt,
      timeoutMs: context.operationTimeoutMs,
    });
    this.#redelivery = new Redelivery({ consumerId, settings, hooks: this.#redeliveryHooks() });
    this.#rewind = new Rewind({
      hold: () => this.#permits.hold(),
      release: () => this.#permits.release(),
      outstanding: () => this.#permits.outstanding,
      send: () => {
        this.#epoch += 1;
        this.#ignored(this.#grouping.flush());
        this.#session.connection?.write(encodeRedeliverAll(consumerId, this.#epoch));
      },
    });
    this.#acknowledger = new Acknowledger({
      grouping: this.#grouping,
      batchIndexAck: settings.batchIndexAck,
      onDone: (entry) => {
        this.#redelivery.acknowledged(entry);
        this.#deadLetters?.acknowledged(entry);
      },
    });
    this.#cursor = new Cursor({
      ...calls,
      partition,
      consumerId,
      session: this.#session,
      flush: () => this.#grouping.flush(),
      onMoved: (target, session) => this.#onMoved(target, session),
    });
    this.#chunks = new ChunkStore({
      maxPending: settings.maxPendingChunkedMessages,
      expiryMs: settings.chunkExpiryMs,
      autoAckOldest: settings.autoAckOldestChunkedMessage,
      acknowledge: (positions) => {
        for (const { ledgerId, entryId } of positions) this.#ignored(this.#grouping.add(ledgerId, entryId));
      },
      abandon: (positions) => {
        for (const position of positions) this.#redelivery.handedOut({ ...position, redeliveryCount: 0 });
      },
    });
    this.#intake = new Intake(this.#intakeHooks());
    if (schema !== undefined) {
      this.#decoder = createTopicDecoder({ schema, topic, lookup: context.lookup });
      this.#gate = new SchemaGate(this.#decoder, (entry, messages) => this.#enqueue(entry, messages));
    }
    if (deadLetter !== undefined) {
      this.#deadLetters = new DeadLetters({
        ...deadLetter,
        acknowledge: (entry) => {
          entry.acknowledged = true;
          this.#ignored(this.#acknowledger.whole(entry));
        },
        giveBack: (entry) => this.#redelivery.negative(entry),
        onError: (error) => settings.events.onError?.(error, topic),
      });
    }
    if (start !== undefined) this.#position = new VolatilePosition(topic, partition, start);
  }

  get type(): ConsumerSettings['type'] {
    return this.#options.settings.type;
  }

  /** Whether it is subscribed now. */
  get connected(): boolean {
    return this.#session.state === 'ready';
  }

  /** Subscribes. Rejects if the broker refuses, or cannot be reached within the operation time-out. */
  async open(): Promise<void> {
    await this.#session.open();
    if (this.#position?.start.position !== 'latest') return;
    // Where the end was at this moment: a reconnect before the first message goes on from there.
    const { markDelete } = await this.#cursor.last();
    const { start, lastTaken } = this.#position;
    if (markDelete !== undefined && start.position === 'latest' && lastTaken === undefined) {
      this.#position.restart({ position: markDelete, inclusive: false });
    }
  }

  #sessionHooks(): ConstructorParameters<typeof Session>[0]['hooks'] {
    const { topic, settings, onFailed } = this.#options;
    const { events } = settings;
    const state = { session: 0, epoch: 0, start: this.#filter, sinceMs: 0, maxMessageSize: 0, drop: false };
    return {
      subscribe: (session, requestId) => {
        state.session = session;
        return this.#subscribe(requestId);
      },
      onReady: (connection) => {
        this.#grouping.connect(connection);
        this.#permits.start(this.#wanted());
        events.onConnected?.(topic);
      },
      onMessage: (frame, connection, session) => {
        if (this.#cursor.isVoid(session)) return;
        state.epoch = this.#epoch;
        state.start = this.#filter;
        state.sinceMs = this.#sinceMs;
        state.maxMessageSize = connection.maxMessageSize;
        state.drop = this.#rewind.underWay;
        this.#intake.onFrame(frame, state);
      },
      onActiveChange: (isActive) => events.onActiveChange?.(isActive, topic),
      onEndOfTopic: () => events.onEndOfTopic?.(topic),
      onLost: (error) => {
        this.#grouping.disconnect();
        this.#permits.stop();
        this.#rewind.cancel();
        events.onDisconnected?.(topic, error);
      },
      onFailed: (error) => {
        this.#end(error);
        onFailed(error);
      },
    };
  }

  #subscribe(requestId: bigint): BaseCommand {
    const { topic, settings, queue, schema, forceTopicCreation, initialPosition } = this.#options;
    const queued = this.#position && queue.find((message) => message.entry.source === this)?.id;
    const volatile = this.#position?.next(queued, this.#seekStart());
    if (volatile !== undefined) {
      this.#filter = volatile.filter;
      this.#sinceMs = volatile.sinceMs;
    }
    // Everything that is not acknowledged comes again by the new session.
    this.#clearQueue();
    this.#redelivery.clear();
    this.#deadLetters?.clear();
    this.#chunks.clear();
    this.#asked = false;
    return subscribe(
      {
        topic,
        consumerId: this.#consumerId,
        requestId,
        durable: this.#position === undefined && this.#persistent,
        start: volatile?.id,
        rollbackSeconds: volatile?.rollbackSeconds ?? 0,
        epoch: this.#epoch,
        initialPosition,
        forceTopicCreation,
        schema: schema?.info,
      },
      settings,
    );
  }

  #seekStart(): VolatileStart | undefined {
    const { target } = this.#cursor;
    return target && { position: target.position, inclusive: target.start?.inclusive ?? false };
  }

  #intakeHooks(): ConstructorParameters<typeof Intake<T>>[0] {
    const { settings, topic } = this.#options;
    return {
      source: this,
      chunks: this.#chunks,
      deliver: (entry, messages) => {
        if (this.#gate === undefined) this.#enqueue(entry, messages);
        else this.#gate.put(entry, messages);
      },
      onCharged: (messages) => {
        this.#permits.arrived(messages);
        this.#rewind.arrived();
      },
      giveBack: (permits) => this.#giveBack(permits),
      isDuplicate: (ledger, entry, batchIndex) => this.#grouping.isDuplicate(ledger, entry, batchIndex),
      onCorrupt: ({ ledgerId, entryId }, validationError, error) => {
        settings.events.onError?.(error, topic);
        const positions = [{ ledgerId, entryId }];
        this.#session.connection?.write(encodeAck({ consumerId: this.#consumerId, type: 'individual', positions, validationError }));
      },
      onSkipped: (entry) => {
        if (this.#position !== undefined || !this.#persistent) return;
        if (entry.acknowledged) this.#ignored(this.#acknowledger.whole(entry));
        else if (settings.batchIndexAck) this.#ignored(this.#grouping.add(entry.ledgerId, entry.entryId, entry.left));
      },
      onUnusable: (error) => settings.events.onError?.(error, topic),
    };
  }

  #redeliveryHooks(): ConstructorParameters<typeof Redelivery>[0]['hooks'] {
    return {
      connection: () => this.#session.connection,
      isAcknowledged: (entry) =>
        (entry instanceof Entry && entry.acknowledged) || this.#grouping.isDuplicate(Number(entry.ledgerId), Number(entry.entryId), -1),
      removeQueued: (keys) => this.#clearQueue(keys),
      giveBack: (permits) => this.#giveBack(permits),
      flush: () => this.#ignored(this.#grouping.flush()),
      rewind: () => this.#rewind.begin(),
      divert: (entry) => this.#deadLetters?.divert(entry) ?? false,
    };
  }

  // --- the way of a message ---

  #enqueue(entry: Entry<MessageSource<T>>, messages: ReceivedMessage<T>[]): void {
    if (this.#deadLetters?.admit(entry, messages) === false) {
      this.#giveBack(messages.length);
      return;
    }
    const { queue, context } = this.#options;
    let bytes = 0;
    for (const message of messages) bytes += message.size;
    context.memory.take(bytes);
    this.#queued += messages.length;
    this.#asked = false;
    for (const message of messages) queue.push(message);
    // Whoever waits behind the one that gets this message has to ask again.
    if (this.#options.queueSize === 0) queueMicrotask(() => this.onWait());
  }

  /** Takes messages out of the queue: of the entries with these keys, or all. Returns how many. */
  #clearQueue(keys?: ReadonlySet<string>): number {
    const matches = (entry: Entry<MessageSource<T>>): boolean => entry.source === this && (keys?.has(keyOf(entry)) ?? true);
    const held = this.#gate?.remove(matches) ?? 0;
    return held + this.#options.queue.remove((message) => matches(message.entry));
  }

  #giveBack(permits: number): void {
    this.#asked = false;
    this.#permits.add(permits);
  }

  onTake(message: ReceivedMessage<T>): void {
    const { entry, batchIndex } = message;
    this.#onGone(message);
    this.#position?.taken(entry, batchIndex);
    if (!entry.acknowledged) this.#redelivery.handedOut(entry);
    if (this.#options.queueSize > 0 && entry.session === this.#session.number) this.#permits.add(1);
    if (this.#queued === 0) this.#permits.flush();
    // A volatile cursor moves by itself, an entry at a time.
    if (this.#position !== undefined && batchIndex === entry.batchSize - 1) this.#ignored(this.#acknowledger.through(entry, batchIndex));
  }

  onReturn(message: ReceivedMessage<T>): void {
    this.#options.context.memory.take(message.size);
    this.#queued += 1;
    if (this.#options.queueSize > 0 && message.entry.session === this.#session.number) this.#permits.add(-1);
  }

  onDrop(message: ReceivedMessage<T>): void {
    this.#onGone(message);
  }

  #onGone(message: ReceivedMessage<T>): void {
    this.#queued -= 1;
    this.#options.context.memory.give(message.size);
  }

  /** How many messages a new session asks for. */
  #wanted(): number {
    const { queueSize, queue } = this.#options;
    if (queueSize > 0) return queueSize;
    this.#asked = queue.waiting > 0;
    return this.#asked ? 1 : 0;
  }

  /** Somebody waits: without a queue a message is asked for only now. */
  onWait(): void {
    const { queueSize, queue } = this.#options;
    if (queueSize > 0 || this.#asked || queue.waiting === 0 || queue.size > 0) return;
    this.#asked = true;
    this.#permits.add(1);
  }

  decode(message: ReceivedMessage<T>): T {
    // Without a schema the type of values is that of bytes.
    if (this.#decoder === undefined) return message.data as T;
    return this.#decoder.decode(message.data, message.entry.metadata.schemaVersion);
  }

  // --- what the application does ---

  acknowledge(what: ReceivedMessage<T> | MessageId, options: AcknowledgeOptions = {}): Promise<void> {
    return this.#acknowledge(what, options, false);
  }

  acknowledgeCumulative(what: ReceivedMessage<T> | MessageId, options: AcknowledgeOptions = {}): Promise<void> {
    return this.#acknowledge(what, options, true);
  }

  #acknowledge(what: ReceivedMessage<T> | MessageId, { transaction }: AcknowledgeOptions, cumulative: boolean): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    // There is nothing to acknowledge in a topic that keeps nothing, and a volatile cursor moves by itself.
    if (!this.#persistent || this.#position !== undefined) return done;
    const entry = MessageId.is(what) ? entryOf(what) : what.entry;
    const { batchIndex } = what;
    if (entry !== undefined && entry.source === this && this.#cursor.isVoid(entry.session)) return done;
    if (transaction !== undefined) {
      if (entry === undefined) {
        return Promise.reject(new PulsarError('INVALID_ARGUMENT', 'a transaction acknowledges messages, not ids from elsewhere'));
      }
      const ack = { transaction, entry, batchIndex, cumulative, onAborted: () => this.#redelivery.all() };
      return acknowledgeInTransaction(
        { ...this.#calls(), consumerId: this.#consumerId, subscription: this.#options.settings.subscription },
        ack,
      );
    }
    if (entry !== undefined) {
      return cumulative ? this.#acknowledger.through(entry, batchIndex) : this.#acknowledger.one(entry, batchIndex);
    }
    try {
      return cumulative ? this.#acknowledger.throughById(what as MessageId) : this.#acknowledger.oneById(what as MessageId);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  negativeAcknowledge(what: ReceivedMessage<T> | MessageId, options: NegativeAcknowledgeOptions = {}): void {
    if (this.#closing !== undefined || this.#position !== undefined) return;
    const entry = MessageId.is(what) ? entryOf(what) : what.entry;
    if (entry === undefined) {
      const { ledgerId, entryId } = what as MessageId;
      this.#redelivery.negative({ ledgerId, entryId, redeliveryCount: 0 }, options.delayMs);
    } else if (!entry.isAcknowledged(what.batchIndex) && !this.#cursor.isVoid(entry.session)) {
      this.#redelivery.negative(entry, options.delayMs);
    }
  }

  redeliverUnacknowledged(): void {
    this.#redelivery.all();
  }

  seek(position: SeekPosition, inclusive: boolean): Promise<void> {
    return this.#cursor.seek(position, inclusive);
  }

  #onMoved({ position, start }: SeekTarget, session: number): void {
    const { queue } = this.#options;
    this.#filter = start;
    this.#sinceMs = 0;
    this.#grouping.reset();
    this.#acknowledger.reset();
    this.#redelivery.clear();
    this.#deadLetters?.clear();
    this.#chunks.clear();
    this.#position?.restart({ position, inclusive: start?.inclusive ?? false });
    const isVoid = (entry: Entry<MessageSource<T>>): boolean => entry.source === this && entry.session <= session;
    this.#gate?.remove(isVoid);
    queue.remove((message) => isVoid(message.entry));
    // A session that came before the answer did not know what to leave out.
    const early = queue.remove(
      ({ entry, batchIndex }) =>
        entry.source === this && start !== undefined && isBeforeStart(start, entry.ledgerId, entry.entryId, batchIndex),
    );
    if (early > 0) this.#giveBack(early);
  }

  last(): Promise<LastMessage> {
    return this.#cursor.last();
  }

  /** How many messages the subscription has not acknowledged. */
  async backlog(): Promise<number> {
    const answer = await callReady(this.#calls(), (connection) => {
      const requestId = connection.nextRequestId();
      return connection.request(requestId, consumerStats(this.#consumerId, requestId));
    });
    return Number(answer.consumerStatsResponse?.msgBacklog ?? 0n);
  }

  /** Of a volatile cursor: where it started, and the last message that was handed out since. */
  get position(): VolatilePosition | undefined {
    return this.#position;
  }

  /** Whether a message of this topic is queued. */
  get hasQueued(): boolean {
    return this.#queued > 0;
  }

  /** Stops asking for messages, until as many releases. */
  hold(): void {
    this.#permits.hold();
  }

  release(): void {
    this.#permits.release();
  }

  /** Sends what acknowledgements are collected. */
  flush(): Promise<void> {
    return this.#grouping.flush();
  }

  /** Removes the subscription, and closes. */
  async unsubscribe(force: boolean): Promise<void> {
    await this.#grouping.flush();
    await callReady(this.#calls(), (connection: Connection) => {
      const requestId = connection.nextRequestId();
      return connection.request(requestId, unsubscribe(this.#consumerId, requestId, force));
    });
    await this.close();
  }

  #calls(): { session: Session; topic: string; timeoutMs: number } {
    return { session: this.#session, topic: this.topic, timeoutMs: this.#options.context.operationTimeoutMs };
  }

  /** Closes it. The subscription stays. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#session.closing();
    try {
      await this.#grouping.flush();
    } catch (error) {
      // Whoever acknowledged is told; closing goes on.
      if (!PulsarError.is(error)) throw error;
    }
    const error = this.#closedError();
    this.#end(error);
    await this.#session.close(error);
  }

  #closedError(): PulsarError {
    return new PulsarError('ALREADY_CLOSED', `the consumer of ${this.topic} is closed`);
  }

  #end(error: PulsarError): void {
    this.#permits.stop();
    this.#rewind.cancel();
    this.#grouping.close(error);
    this.#redelivery.clear();
    this.#deadLetters?.clear();
    this.#chunks.clear();
    this.#clearQueue();
  }

  /** An acknowledgement that nobody waits for: if it fails the message comes again. */
  #ignored(acknowledgement: Promise<void>): void {
    acknowledgement.catch(() => undefined);
  }
}
