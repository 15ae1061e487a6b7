import type { ClientContext } from '../client/context.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { ConsumerEvent } from '../events/events.ts';
import type { BaseCommand } from '../gen/pulsar/wire_pb.ts';
import { Entry, entryOf } from '../message/entry.ts';
import type { AcknowledgeOptions, MessageSource, NegativeAcknowledgeOptions, ReceivedMessage } from '../message/message.ts';
import { MessageId } from '../message/message-id.ts';
import type { ValueDecoder } from '../schema/port.ts';
import { encodeFlow, encodeRedeliverAll } from '../wire/commands.ts';
import { AckGrouping, done } from './ack-grouping.ts';
import { acknowledgeInTransaction } from './ack-transaction.ts';
import { Acknowledger } from './acknowledger.ts';
import { subscribe } from './consumer-commands.ts';
import { Cursor, type LastMessage, type SeekPosition, type SeekTarget } from './cursor.ts';
import { FirstMessage } from './first-message.ts';
import { Inbox } from './inbox.ts';
import { type DeadLetterTarget, Incoming, ignored } from './incoming.ts';
import type { ConsumerSettings } from './options.ts';
import type { ReceiveQueue } from './receive-queue.ts';
import { Redelivery } from './redelivery.ts';
import { Rewind } from './rewind.ts';
import { Session } from './session.ts';
import { backlogOf, removeSubscription, type SubscriptionCallOptions } from './subscription-calls.ts';
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
  readonly deadLetter?: DeadLetterTarget<T> | undefined;
  /** The consumer is over. */
  readonly onFailed: (error: PulsarError) => void;
}

/** Receives from one topic or partition: one consumer of the protocol, with its subscription, cursor and acknowledgements. */
export class TopicConsumer<T> implements MessageSource<T> {
  readonly topic: string;
  readonly partition: number;
  readonly #options: TopicConsumerOptions<T>;
  readonly #consumerId: number;
  readonly #persistent: boolean;
  readonly #session: Session;
  readonly #inbox: Inbox<T>;
  readonly #grouping: AckGrouping;
  readonly #acknowledger: Acknowledger;
  readonly #redelivery: Redelivery;
  readonly #rewind: Rewind;
  readonly #first: FirstMessage;
  readonly #cursor: Cursor;
  readonly #incoming: Incoming<T>;
  readonly #position: VolatilePosition | undefined;
  #epoch = 0;
  #closing: Promise<void> | undefined;

  constructor(options: TopicConsumerOptions<T>) {
    const { context, topic, partition, settings, queue, queueSize, schema, start, deadLetter } = options;
    this.#options = options;
    this.topic = topic;
    this.partition = partition;
    this.#consumerId = context.nextConsumerId();
    this.#persistent = !topic.startsWith('non-persistent://');
    const consumerId = this.#consumerId;
    const calls = { topic, timeoutMs: context.operationTimeoutMs };
    this.#session = new Session({ context, topic, consumerId, hooks: this.#sessionHooks() });
    this.#inbox = new Inbox({
      source: this,
      queue,
      queueSize,
      memory: context.memory,
      flow: (permits) => this.#session.connection?.write(encodeFlow(consumerId, permits)),
      session: () => this.#session.number,
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
      hold: () => this.#inbox.hold(),
      release: () => this.#inbox.release(),
      outstanding: () => this.#inbox.outstanding,
      send: () => this.#askForAll(),
    });
    this.#first = new FirstMessage(() => this.#askForFirst());
    this.#acknowledger = new Acknowledger({
      grouping: this.#grouping,
      batchIndexAck: settings.batchIndexAck,
      onDone: (entry) => {
        this.#redelivery.acknowledged(entry);
        this.#incoming.acknowledged(entry);
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
    this.#incoming = new Incoming({
      source: this,
      consumerId,
      settings,
      lookup: context.lookup,
      schema,
      deadLetter,
      inbox: this.#inbox,
      grouping: this.#grouping,
      acknowledger: this.#acknowledger,
      redelivery: this.#redelivery,
      rewind: this.#rewind,
      durable: start === undefined && this.#persistent,
      connection: () => this.#session.connection,
    });
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
    return {
      subscribe: (requestId) => this.#subscribe(requestId),
      onReady: (connection) => {
        this.#grouping.connect(connection);
        this.#inbox.start();
        if (settings.type === 'exclusive') this.#expectFirst();
        this.#emit('ready');
        events.onConnected?.(topic);
      },
      onMessage: (frame, connection, session) => {
        if (!this.#rewind.underWay && (frame.consumerEpoch < 0 || frame.consumerEpoch >= this.#epoch)) this.#first.end();
        if (!this.#cursor.isVoid(session)) this.#incoming.onFrame(frame, connection, session, this.#epoch);
      },
      onActiveChange: (isActive) => {
        if (settings.type === 'failover' && isActive) this.#expectFirst();
        if (settings.type === 'failover' && !isActive) this.#first.end();
        events.onActiveChange?.(isActive, topic);
      },
      onEndOfTopic: () => events.onEndOfTopic?.(topic),
      onRetry: (error, delayMs) => {
        this.#emit('retry', { error, delayMs });
        events.onRetry?.(topic, error, delayMs);
      },
      onLost: (error) => {
        this.#grouping.disconnect();
        this.#inbox.stop();
        this.#rewind.cancel();
        this.#first.end();
        this.#emit('disconnected', { error });
        events.onDisconnected?.(topic, error);
      },
      onFailed: (error) => {
        this.#end(error);
        this.#emit('failed', { error });
        onFailed(error);
      },
    };
  }

  /** What a topic that keeps nothing has sent does not come again. */
  #expectFirst(): void {
    if (this.#persistent) this.#first.expect();
  }

  #askForFirst(): void {
    // Nothing has come since this session began, and what was queued before is to stay. One that was active before has both.
    if (this.type !== 'exclusive') this.#redelivery.all();
    else if (!this.#rewind.underWay) this.#askForAll();
  }

  #askForAll(): void {
    this.#epoch += 1;
    ignored(this.#grouping.flush());
    this.#session.connection?.write(encodeRedeliverAll(this.#consumerId, this.#epoch));
  }

  #subscribe(requestId: bigint): BaseCommand {
    const { topic, settings, schema, forceTopicCreation, initialPosition } = this.#options;
    const queued = this.#position && this.#inbox.first()?.id;
    const volatile = this.#position?.next(queued, this.#seekStart());
    if (volatile !== undefined) this.#incoming.startAt(volatile.filter, volatile.sinceMs);
    // Everything that is not acknowledged comes again by the new session.
    this.#incoming.clear();
    this.#redelivery.clear();
    // A cursor that the broker does not keep begins where SUBSCRIBE says: behind what was given back it would pass that over.
    if (volatile !== undefined) this.#grouping.reset();
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

  #redeliveryHooks(): ConstructorParameters<typeof Redelivery>[0]['hooks'] {
    return {
      connection: () => this.#session.connection,
      isAcknowledged: (entry) =>
        (entry instanceof Entry && entry.acknowledged) || this.#grouping.isDuplicate(Number(entry.ledgerId), Number(entry.entryId), -1),
      removeQueued: (keys) => this.#incoming.remove(keys),
      giveBack: (permits) => this.#inbox.giveBack(permits),
      flush: () => ignored(this.#grouping.flush()),
      rewind: () => this.#rewind.begin(),
      divert: (entry) => this.#incoming.divert(entry),
    };
  }

  // --- the way of a message ---

  onTake(message: ReceivedMessage<T>): void {
    const { entry, batchIndex } = message;
    this.#position?.taken(entry, batchIndex);
    if (!entry.acknowledged) this.#redelivery.handedOut(entry);
    this.#inbox.onTake(message);
    // A volatile cursor moves by itself, an entry at a time.
    if (this.#position !== undefined && batchIndex === entry.batchSize - 1) ignored(this.#acknowledger.through(entry, batchIndex));
  }

  onReturn(message: ReceivedMessage<T>): boolean {
    const { session } = message.entry;
    // What the session before brought comes again by this one, and before a seek it is void. A volatile cursor does not go back.
    if (this.#cursor.isVoid(session) || (this.#position === undefined && session !== this.#session.number)) return false;
    this.#inbox.onReturn(message);
    return true;
  }

  onDrop(message: ReceivedMessage<T>): void {
    this.#inbox.onDrop(message);
  }

  /** Somebody waits for messages. */
  onWait(): void {
    this.#inbox.onWait();
  }

  decode(message: ReceivedMessage<T>): T {
    return this.#incoming.decode(message);
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
      return acknowledgeInTransaction({ ...this.#calls(), subscription: this.#options.settings.subscription }, ack);
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
    this.#grouping.reset();
    this.#acknowledger.reset();
    this.#redelivery.clear();
    this.#position?.restart({ position, inclusive: start?.inclusive ?? false });
    this.#incoming.moved(session, start);
    this.#emit('seek');
  }

  last(): Promise<LastMessage> {
    return this.#cursor.last();
  }

  /** How many messages the subscription has not acknowledged. */
  backlog(): Promise<number> {
    return backlogOf(this.#calls());
  }

  /** Of a volatile cursor: where it started, and the last message that was handed out since. */
  get position(): VolatilePosition | undefined {
    return this.#position;
  }

  /** Whether a message of this topic is queued. */
  get hasQueued(): boolean {
    return this.#inbox.hasQueued;
  }

  /** Stops asking for messages, until as many releases. */
  hold(): void {
    this.#inbox.hold();
  }

  release(): void {
    this.#inbox.release();
  }

  /** Sends what acknowledgements are collected. */
  flush(): Promise<void> {
    return this.#grouping.flush();
  }

  /** Removes the subscription, and closes. */
  async unsubscribe(force: boolean): Promise<void> {
    await this.#grouping.flush();
    await removeSubscription(this.#calls(), force);
    await this.close();
  }

  #calls(): SubscriptionCallOptions {
    const { topic, context } = this.#options;
    return { session: this.#session, topic, timeoutMs: context.operationTimeoutMs, consumerId: this.#consumerId };
  }

  /** Closes it. The subscription stays. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const error = this.#closedError();
    this.#session.closing(error);
    try {
      await this.#grouping.flush();
    } catch (failure) {
      // Whoever acknowledged is told; closing goes on.
      if (!PulsarError.is(failure)) throw failure;
    }
    this.#end(error);
    await this.#session.close(error);
    this.#emit('closed');
  }

  #emit(type: ConsumerEvent['type'], more: Pick<ConsumerEvent, 'error' | 'delayMs'> = {}): void {
    const { context, topic, settings } = this.#options;
    context.emit({ scope: 'consumer', type, topic, subscription: settings.subscription, name: settings.name, ...more });
  }

  #closedError(): PulsarError {
    return new PulsarError('ALREADY_CLOSED', `the consumer of ${this.topic} is closed`);
  }

  #end(error: PulsarError): void {
    this.#inbox.stop();
    this.#rewind.cancel();
    this.#first.end();
    this.#grouping.close(error);
    this.#redelivery.clear();
    this.#incoming.clear();
  }
}
