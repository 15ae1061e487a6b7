import type { ClientContext } from '../client/context.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { parseTopicName, partitionName } from '../lookup/topic-name.ts';
import type { ReceivedMessage } from '../message/message.ts';
import type { ValueDecoder } from '../schema/port.ts';
import type { ConsumerSettings } from './options.ts';
import { ReceiveQueue } from './receive-queue.ts';
import { TopicConsumer, type TopicConsumerOptions } from './topic-consumer.ts';
import type { VolatileStart } from './volatile-position.ts';

/** Options of {@link TopicSet}. */
export interface TopicSetOptions<T> {
  readonly context: ClientContext;
  readonly settings: ConsumerSettings;
  readonly schema: ValueDecoder<T> | undefined;
  /** `undefined`: cursors are durable. */
  readonly start?: VolatileStart | undefined;
  readonly deadLetter?: TopicConsumerOptions<T>['deadLetter'];
  /** Whether topics that do not exist are created, if the broker does that. */
  readonly forceTopicCreation: boolean;
  /** Whether a topic that goes away just leaves the set. Otherwise it ends the consumer. */
  readonly mayVanish: boolean;
}

/** How a topic is added. */
export interface AddOptions {
  /** Default: as the settings say. */
  readonly type?: ConsumerSettings['type'];
  /** Whether it is new: then it is read from its beginning, so that nothing is lost. */
  readonly fresh?: boolean;
}

/** The topics and partitions of one consumer, which share a queue. */
export class TopicSet<T> {
  readonly queue: ReceiveQueue<ReceivedMessage<T>>;
  readonly #options: TopicSetOptions<T>;
  readonly #consumers = new Map<string, TopicConsumer<T>>();
  /** Partitioned topics, with the number of partitions that are known. */
  readonly #partitioned = new Map<string, { count: number; readonly add: AddOptions }>();
  #timer: NodeJS.Timeout | undefined;
  #paused = false;
  #closing: Promise<void> | undefined;

  constructor(options: TopicSetOptions<T>) {
    this.#options = options;
    this.queue = new ReceiveQueue<ReceivedMessage<T>>({
      onTake: (message) => message.entry.source.onTake(message),
      onReturn: (message) => message.entry.source.onReturn(message),
      onDrop: (message) => message.entry.source.onDrop(message),
      onWait: () => {
        for (const consumer of this.#consumers.values()) consumer.onWait();
      },
    });
  }

  get consumers(): readonly TopicConsumer<T>[] {
    return [...this.#consumers.values()];
  }

  get(topic: string): TopicConsumer<T> | undefined {
    return this.#consumers.get(topic);
  }

  get paused(): boolean {
    return this.#paused;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Adds topics with all their partitions. If one cannot be subscribed to, none is, and this rejects. */
  async add(topics: readonly string[], options: AddOptions = {}): Promise<void> {
    const { lookup } = this.#options.context;
    const create = this.#options.forceTopicCreation;
    const parts = await Promise.all(
      topics.map(async (topic) => {
        const { full, partition } = parseTopicName(topic);
        if (partition >= 0) return [{ topic: full, partition }];
        const count = await lookup.partitions(full, { create });
        if (count === 0) return [{ topic: full, partition }];
        this.#partitioned.set(full, { count, add: options });
        return partitionsOf(full, 0, count);
      }),
    );
    await this.addPartitions(parts.flat(), options);
    if (this.#partitioned.size > 0) this.#poll();
  }

  /** Adds topics or partitions by their own names. */
  async addPartitions(parts: readonly { readonly topic: string; readonly partition: number }[], options: AddOptions): Promise<void> {
    if (this.closed) throw this.closedError();
    const { context, settings, schema, start, deadLetter, forceTopicCreation } = this.#options;
    const fresh = parts.filter(({ topic }) => !this.#consumers.has(topic));
    const { receiverQueueSize, maxTotalReceiverQueueSize } = settings;
    const share = Math.max(1, Math.floor(maxTotalReceiverQueueSize / (this.#consumers.size + fresh.length)));
    const added = fresh.map(
      ({ topic, partition }) =>
        new TopicConsumer<T>({
          context,
          topic,
          partition,
          settings: options.type === undefined ? settings : { ...settings, type: options.type },
          initialPosition: options.fresh === true ? 'earliest' : settings.initialPosition,
          queue: this.queue,
          queueSize: Math.min(receiverQueueSize, share),
          schema,
          start: start !== undefined && options.fresh === true ? { position: 'earliest', inclusive: true } : start,
          forceTopicCreation,
          deadLetter,
          onFailed: (error) => this.#onFailed(topic, error),
        }),
    );
    for (const consumer of added) {
      this.#consumers.set(consumer.topic, consumer);
      consumer.hold();
      if (this.#paused) consumer.hold();
    }
    const outcomes = await Promise.allSettled(added.map((consumer) => consumer.open()));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined || this.closed) {
      await Promise.all(added.map(async (consumer) => this.#remove(consumer)));
      throw failed?.reason ?? this.closedError();
    }
    // Only now, so that one topic does not fill the queue while another is still being subscribed to.
    for (const consumer of added) consumer.release();
  }

  async #remove(consumer: TopicConsumer<T>): Promise<void> {
    this.#consumers.delete(consumer.topic);
    await consumer.close();
  }

  /** Takes a topic or partition out. */
  async remove(topic: string): Promise<void> {
    const consumer = this.#consumers.get(topic);
    if (consumer !== undefined) await this.#remove(consumer);
  }

  #onFailed(topic: string, error: PulsarError): void {
    const { events } = this.#options.settings;
    events.onError?.(error, topic);
    if (this.#options.mayVanish) {
      this.#consumers.delete(topic);
      return;
    }
    events.onFailed?.(error, topic);
    this.queue.close(error);
  }

  /** Looks for new partitions now and then. */
  #poll(): void {
    clearTimeout(this.#timer);
    if (this.closed) return;
    this.#timer = setTimeout(() => {
      this.#grow()
        .catch((error: unknown) => {
          if (!this.closed && PulsarError.is(error)) this.#options.settings.events.onError?.(error, [...this.#partitioned.keys()].join());
        })
        .finally(() => this.#poll());
    }, this.#options.settings.partitionsUpdateMs);
    this.#timer.unref();
  }

  async #grow(): Promise<void> {
    for (const [topic, known] of this.#partitioned) {
      const count = await this.#options.context.lookup.partitions(topic, { create: false });
      if (count <= known.count || this.closed) continue;
      await this.addPartitions(partitionsOf(topic, known.count, count), { ...known.add, fresh: true });
      known.count = count;
    }
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    for (const consumer of this.#consumers.values()) consumer.hold();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const consumer of this.#consumers.values()) consumer.release();
  }

  closedError(): PulsarError {
    return this.queue.error ?? new PulsarError('ALREADY_CLOSED', `the consumer of ${this.#options.settings.subscription} is closed`);
  }

  /** Ends everything; whoever waits is told. */
  close(end: (consumer: TopicConsumer<T>) => Promise<void> = (consumer) => consumer.close()): Promise<void> {
    this.#closing ??= this.#close(end);
    return this.#closing;
  }

  async #close(end: (consumer: TopicConsumer<T>) => Promise<void>): Promise<void> {
    clearTimeout(this.#timer);
    this.queue.close(this.closedError());
    await Promise.all(this.consumers.map(end));
  }
}

function partitionsOf(topic: string, from: number, to: number): readonly { readonly topic: string; readonly partition: number }[] {
  return Array.from({ length: to - from }, (_, at) => ({ topic: partitionName(topic, from + at), partition: from + at }));
}
