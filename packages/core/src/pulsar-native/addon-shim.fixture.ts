// The API of the package `pulsar-client` as of 1.18, as far as the adapter uses it, on `@paystream/pulsar`: so the adapter meets a
// real broker where the addon's binary does not load. It does what the addon does, its traps included.
import {
  createPulsarClient,
  type PulsarClient,
  type Consumer as PulsarConsumer,
  PulsarError,
  type PulsarErrorCode,
  type Message as PulsarMessage,
  MessageId as PulsarMessageId,
  type Producer as PulsarProducer,
  type Reader as PulsarReader,
} from '@paystream/pulsar';
import type {
  Client,
  ClientConfig,
  Consumer,
  ConsumerConfig,
  Message,
  MessageId,
  Producer,
  ProducerConfig,
  Reader,
  ReaderConfig,
} from 'pulsar-client';
import type { Addon } from './options.ts';

const results: Partial<Readonly<Record<PulsarErrorCode, string>>> = {
  INVALID_ARGUMENT: 'InvalidConfiguration',
  NOT_CONNECTED: 'NotConnected',
  TIMEOUT: 'TimeOut',
  ALREADY_CLOSED: 'AlreadyClosed',
  AUTHENTICATION: 'AuthenticationError',
  AUTHORIZATION: 'AuthorizationError',
  TOPIC_NOT_FOUND: 'TopicNotFound',
  SUBSCRIPTION_NOT_FOUND: 'SubscriptionNotFound',
  TOPIC_TERMINATED: 'TopicTerminated',
  CONSUMER_BUSY: 'ConsumerBusy',
  MESSAGE_TOO_LARGE: 'MessageTooBig',
  QUEUE_FULL: 'ProducerQueueIsFull',
  UNAVAILABLE: 'ServiceUnitNotReady',
  NOT_ALLOWED: 'ResultNotAllowedError',
};

/** What the addon rejects with. */
async function or<T>(failed: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`Failed to ${failed}: ${(PulsarError.is(error) && results[error.code]) || 'UnknownError'}`);
  }
}

/** What C++ throws ends the process. */
function terminate(why: string): never {
  const error = new Error(`the addon ends the process: ${why}`);
  process.nextTick(() => {
    throw error;
  });
  throw error;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class ShimMessageId implements MessageId {
  readonly id: PulsarMessageId;
  constructor(id: PulsarMessageId = PulsarMessageId.earliest) {
    this.id = id;
  }
  static earliest(): MessageId {
    return new ShimMessageId(PulsarMessageId.earliest);
  }
  static latest(): MessageId {
    return new ShimMessageId(PulsarMessageId.latest);
  }
  static deserialize(data: Buffer): MessageId {
    return new ShimMessageId(PulsarMessageId.fromBytes(data));
  }
  serialize(): Buffer {
    return Buffer.from(this.id.toBytes());
  }
  toString(): string {
    const { ledgerId, entryId, partition, batchIndex } = this.id;
    return `(${ledgerId},${entryId},${partition},${batchIndex})`;
  }
}

const native = (id: MessageId): PulsarMessageId => (id as ShimMessageId).id;
/** Where the addon would go: it has no word for the ends of a topic but their ids. */
function position(id: MessageId): PulsarMessageId | 'earliest' | 'latest' {
  if (native(id).equals(PulsarMessageId.earliest)) return 'earliest';
  return native(id).equals(PulsarMessageId.latest) ? 'latest' : native(id);
}

/** What the addon passes over behind a position: its entry if that is no batch, and of a batch what lies up to the index, if one is told. */
function isPassed(start: ReturnType<typeof position>, { ledgerId, entryId, batchIndex }: PulsarMessageId): boolean {
  if (typeof start === 'string' || ledgerId !== start.ledgerId || entryId !== start.entryId) return false;
  return batchIndex < 0 || batchIndex <= start.batchIndex;
}

class ShimMessage implements Message {
  readonly message: PulsarMessage;
  constructor(message: PulsarMessage) {
    this.message = message;
  }
  getTopicName = (): string => this.message.topic;
  /** An array, on which properties are set. */
  getProperties = (): Record<string, string> => Object.assign([], this.message.properties) as unknown as Record<string, string>;
  getData = (): Buffer => Buffer.from(this.message.data);
  getMessageId = (): MessageId => new ShimMessageId(this.message.id);
  getPublishTimestamp = (): number => this.message.publishTimeMs;
  getEventTimestamp = (): number => this.message.eventTimeMs ?? 0;
  getRedeliveryCount = (): number => this.message.redeliveryCount;
  getPartitionKey = (): string => this.message.key ?? '';
  getOrderingKey = (): string => '';
  getProducerName = (): string => this.message.producerName;
  isReplicated = (): boolean => false;
  getReplicatedFrom = (): string => '';
  getEncryptionContext = (): null => null;
}

/** What a client does one after the other: its listeners, and settling what waited for a message. */
class ListenerThread {
  #last: Promise<unknown> = Promise.resolve();
  run(work: () => unknown): Promise<unknown> {
    this.#last = this.#last.then(work);
    return this.#last;
  }
}

class ShimProducer implements Producer {
  readonly #producer: PulsarProducer<unknown>;
  constructor(producer: PulsarProducer<unknown>) {
    this.#producer = producer;
  }
  async send({ data, partitionKey, properties, eventTimestamp, deliverAt }: Parameters<Producer['send']>[0]): Promise<MessageId> {
    const sent = this.#producer.send({
      value: Buffer.from(data),
      key: partitionKey,
      properties,
      eventTimeMs: eventTimestamp,
      deliverAtMs: deliverAt,
    });
    return new ShimMessageId(await or('send message', sent));
  }
  async flush(): Promise<null> {
    await or('flush producer', this.#producer.flush());
    return null;
  }
  async close(): Promise<null> {
    if (this.#producer.state === 'closed') throw new Error('Failed to close producer: AlreadyClosed');
    await this.#producer.close();
    return null;
  }
  getProducerName = (): string => this.#producer.name;
  getTopic = (): string => this.#producer.topic;
  isConnected = (): boolean => this.#producer.state === 'ready';
}

class ShimConsumer implements Consumer {
  readonly #consumer: PulsarConsumer;
  readonly #queueSize: number;
  readonly #partitioned: boolean;
  readonly #thread: ListenerThread;
  /** Calls that wait, by their age. */
  readonly #waiting: PromiseWithResolvers<Message[]>[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #brought = 0;
  #closed = false;
  constructor(consumer: PulsarConsumer, queueSize: number, partitioned: boolean, thread: ListenerThread) {
    this.#consumer = consumer;
    this.#queueSize = queueSize;
    this.#partitioned = partitioned;
    this.#thread = thread;
  }
  receive(): Promise<Message> {
    throw new Error('the addon may leave a message in its queue for this, and bring the next before it');
  }
  /** One message a call. Without a queue there is never one to be had. */
  batchReceive(): Promise<Message[]> {
    if (this.#queueSize === 0) return new Promise(() => undefined);
    if (this.#closed) return Promise.reject(new Error('Failed to batch receive message: AlreadyClosed'));
    const call = Promise.withResolvers<Message[]>();
    this.#waiting.push(call);
    this.#last = this.#last.then(() => this.#bring());
    return call.promise;
  }
  /** A call that is made when a message has just come gets it before those that have waited for longer. Calls settle in any order. */
  async #bring(): Promise<void> {
    const one = this.#brought++ % 3;
    try {
      const message = await or('batch receive message', this.#consumer.receive());
      const call = one === 1 ? this.#waiting.pop() : this.#waiting.shift();
      const settle = (): void => call?.resolve([new ShimMessage(message)]);
      void this.#thread.run(one === 2 ? () => void setImmediate(settle) : settle);
    } catch (error) {
      this.#waiting.shift()?.reject(error);
    }
  }
  /** Resolves at once: the addon asks for no receipts, and forgets what it cannot send. */
  async acknowledge(message: Message): Promise<null> {
    if (this.#closed) throw new Error('Failed to acknowledge: AlreadyClosed');
    if (this.isConnected()) await or('acknowledge', this.#consumer.acknowledge((message as ShimMessage).message));
    return null;
  }
  async acknowledgeId(id: MessageId): Promise<null> {
    if (this.#closed) throw new Error('Failed to acknowledge id: AlreadyClosed');
    if (this.isConnected()) await or('acknowledge id', this.#consumer.acknowledge(native(id)));
    return null;
  }
  negativeAcknowledge(message: Message): void {
    this.#consumer.negativeAcknowledge((message as ShimMessage).message);
  }
  negativeAcknowledgeId(id: MessageId): void {
    this.#consumer.negativeAcknowledge(native(id));
  }
  acknowledgeCumulative(): Promise<null> {
    throw new Error('not in the shim');
  }
  acknowledgeCumulativeId(): Promise<null> {
    throw new Error('not in the shim');
  }
  /** What comes then lies behind the message, though the cursor lies at it. An id that was kept does not know its topic. */
  async seek(id: MessageId): Promise<null> {
    const to = position(id);
    if (this.#partitioned && typeof to !== 'string' && to.topic === undefined)
      throw new Error('Failed to seek message by id: OperationNotSupported');
    await or('seek message by id', this.#consumer.seek(to));
    return null;
  }
  async seekTimestamp(timeMs: number): Promise<null> {
    await or('seek message by timestamp', this.#consumer.seek({ timeMs }));
    return null;
  }
  isConnected = (): boolean => this.#consumer.connected;
  async close(): Promise<null> {
    this.#closed = true;
    await or('close consumer', this.#consumer.close());
    return null;
  }
  async unsubscribe(): Promise<null> {
    if (this.#closed) throw new Error('Failed to unsubscribe consumer: AlreadyClosed');
    await or('unsubscribe consumer', this.#consumer.unsubscribe());
    this.#closed = true;
    return null;
  }
}

/** With a listener, which gets one message after the other, and each when the promise of the one before is fulfilled. */
class ShimReader implements Reader {
  readonly #reader: PulsarReader;
  readonly #thread: ListenerThread;
  #start: ReturnType<typeof position>;
  #closed = false;
  constructor(reader: PulsarReader, start: ReturnType<typeof position>, thread: ListenerThread) {
    this.#reader = reader;
    this.#start = start;
    this.#thread = thread;
  }
  /** What comes before the listener knows its reader is dropped. */
  async run(listener: (message: Message, reader: Reader) => unknown, isKnown: () => boolean): Promise<void> {
    while (!this.#closed) {
      const message = await this.#reader.receive().catch(() => undefined);
      if (message === undefined || this.#closed) return;
      if (isPassed(this.#start, message.id)) continue;
      await turn();
      if (isKnown()) await this.#thread.run(() => listener(new ShimMessage(message), this));
    }
  }
  readNext(): Promise<Message> {
    throw new Error('the addon frees memory that is not its own when this ends without a message');
  }
  hasNext(): boolean {
    throw new Error('the addon blocks the event loop for this');
  }
  isConnected = (): boolean => this.#reader.connected;
  async seek(id: MessageId): Promise<null> {
    const start = position(id);
    this.#start = start;
    await or('seek message by id', this.#reader.seek(start, { inclusive: true }));
    return null;
  }
  async seekTimestamp(timeMs: number): Promise<null> {
    this.#start = 'earliest';
    await or('seek message by timestamp', this.#reader.seek({ timeMs }));
    return null;
  }
  async close(): Promise<null> {
    this.#closed = true;
    await or('close reader', this.#reader.close());
    return null;
  }
}

const types = { Exclusive: 'exclusive', Shared: 'shared', KeyShared: 'key_shared', Failover: 'failover' } as const;

class ShimClient implements Client {
  static setLogHandler(): void {
    // It has nothing to log.
  }

  readonly #client: PulsarClient;
  readonly #thread = new ListenerThread();
  #closed = false;
  constructor({ serviceUrl, operationTimeoutSeconds }: ClientConfig) {
    if (serviceUrl === undefined) {
      throw new Error('Service URL is required and must be specified as a string unless serviceUrlProvider is configured');
    }
    this.#client = createPulsarClient({
      serviceUrl,
      ...(operationTimeoutSeconds === undefined ? {} : { operationTimeoutMs: operationTimeoutSeconds * 1_000 }),
    });
  }
  async createProducer(config: ProducerConfig): Promise<Producer> {
    if (config.chunkingEnabled === true && config.batchingEnabled !== false) terminate('chunks and batches together');
    if (config.batchingMaxMessages === 1) terminate('a batch of one message');
    const making = this.#client.createProducer({
      topic: config.topic,
      batching: {
        keyed: config.batchingType === 'KeyBasedBatching',
        maxDelayMs: config.batchingMaxPublishDelayMs ?? 10,
        maxMessages: config.batchingMaxMessages ?? 1_000,
      },
      maxPendingMessages: config.maxPendingMessages ?? 1_000,
      blockIfQueueFull: config.blockIfQueueFull ?? false,
      // It passes over 0.
      sendTimeoutMs: config.sendTimeoutMs || 30_000,
      // Of ASCII keys it hashes to the same; of others it hashes bytes, where this does characters.
      hashing: config.hashingScheme === 'Murmur3_32Hash' ? 'murmur3' : 'java',
      routing: config.messageRoutingMode === 'UseSinglePartition' ? 'single-partition' : 'round-robin',
    });
    return new ShimProducer((await or('create producer', making)) as PulsarProducer<unknown>);
  }
  async subscribe(config: ConsumerConfig): Promise<Consumer> {
    const { topic = '', subscription, receiverQueueSize = 1_000, ackTimeoutMs = 0 } = config;
    const stickyRanges = config.keySharedPolicy?.stickyRanges;
    if (ackTimeoutMs !== 0 && ackTimeoutMs < 10_000) throw new Error('Ack timeout should be 0 or greater than or equal to 10000');
    for (const { start, end } of stickyRanges ?? []) if (start < 0 || end > 65_535) terminate('a range beyond the hashes');
    if (stickyRanges?.length === 0) terminate('no range');
    const partitions = await or('create consumer', this.#client.partitionsOf(topic));
    const partitioned = partitions.some((name) => name !== topic);
    if (partitioned && receiverQueueSize === 0) throw new Error('Failed to create consumer: InvalidConfiguration');
    const joining = this.#client.subscribe({
      topic,
      subscription,
      type: types[config.subscriptionType ?? 'Exclusive'],
      initialPosition: config.subscriptionInitialPosition === 'Earliest' ? 'earliest' : 'latest',
      receiverQueueSize,
      ackTimeoutMs,
      negativeAckDelayMs: config.nAckRedeliverTimeoutMs ?? 60_000,
      batchIndexAck: config.batchIndexAckEnabled ?? false,
    });
    return new ShimConsumer(await or('create consumer', joining), receiverQueueSize, partitioned, this.#thread);
  }
  async createReader({ topic, startMessageId, receiverQueueSize, listener }: ReaderConfig): Promise<Reader> {
    const start = position(startMessageId);
    const making = this.#client.createReader({
      topic,
      start,
      startInclusive: typeof start !== 'string',
      ...(receiverQueueSize === undefined ? {} : { receiverQueueSize }),
    });
    const reader = new ShimReader(await or('create reader', making), start, this.#thread);
    let known = false;
    const running = listener === undefined ? undefined : reader.run(listener, () => known);
    running?.catch((error: unknown) => process.nextTick(() => Promise.reject(error)));
    for (let turns = 0; turns < 5; turns++) await turn();
    known = true;
    return reader;
  }
  async getPartitionsForTopic(topic: string): Promise<string[]> {
    return [...(await or('GetPartitionsForTopic', this.#client.partitionsOf(topic)))];
  }
  async close(): Promise<null> {
    if (this.#closed) throw new Error('Failed to close client: AlreadyClosed');
    this.#closed = true;
    await or('close client', this.#client.close());
    return null;
  }
}

/** What stands for the addon. */
export const addonShim: Addon = { Client: ShimClient, MessageId: ShimMessageId };
