import type { ClientContext } from '../client/context.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { partitionName } from '../lookup/topic-name.ts';
import type { MessageId } from '../message/message-id.ts';
import type { ValueEncoder } from '../schema/port.ts';
import { type Payload, type ProducerMessage, prepare } from './message.ts';
import type { ProducerOptions, ProducerSettings } from './options.ts';
import type { Producer, ProducerState } from './producer.ts';
import { createRouter, type Router } from './routing.ts';
import { SendRoom } from './send-room.ts';
import { TopicProducer } from './topic-producer.ts';

/** What a {@link PartitionedProducer} is made of. */
export interface PartitionedProducerSetup<T> {
  readonly context: ClientContext;
  readonly options: ProducerOptions<T>;
  readonly settings: ProducerSettings;
  /** The full name, without partition. */
  readonly topic: string;
  readonly encoder: ValueEncoder<T>;
}

/** From best to worst: what is told of all partitions is what the worst is in. */
const states: readonly ProducerState[] = ['ready', 'connecting', 'closing', 'closed', 'failed', 'terminated', 'fenced'];

/** Produces to a partitioned topic: a producer each for its partitions, under one name. */
export class PartitionedProducer<T> implements Producer<T> {
  readonly topic: string;
  readonly #setup: PartitionedProducerSetup<T>;
  readonly #room: SendRoom;
  readonly #route: Router<T>;
  readonly #stop = new AbortController();
  readonly #forget: () => void;
  #producers: readonly TopicProducer[] = [];
  #growth: NodeJS.Timeout | undefined;
  #looking = false;
  #closing: Promise<void> | undefined;

  constructor(setup: PartitionedProducerSetup<T>) {
    const { context, options, settings, topic } = setup;
    this.topic = topic;
    this.#setup = setup;
    this.#room = new SendRoom(settings.maxPendingMessages, context.memory);
    this.#route = createRouter(options, { batchesSent: (partition) => this.#producers[partition]?.batchesSent ?? 0 });
    this.#forget = context.onClose(() => this.close());
  }

  get name(): string {
    return this.#producers[0]?.name ?? '';
  }

  get state(): ProducerState {
    const worst = this.#producers.reduce((worst, { state }) => Math.max(worst, states.indexOf(state)), 0);
    return states[worst] ?? 'ready';
  }

  get lastSequenceId(): number {
    return this.#producers.reduce((highest, { lastSequenceId }) => Math.max(highest, lastSequenceId), -1);
  }

  get pendingMessages(): number {
    return this.#room.messages;
  }

  get partitions(): number {
    return this.#producers.length;
  }

  /** Makes the producers of so many partitions, all or none. */
  async open(partitions: number): Promise<void> {
    const { options, settings } = this.#setup;
    const signal = options.signal === undefined ? this.#stop.signal : AbortSignal.any([options.signal, this.#stop.signal]);
    await this.#grow(partitions, signal);
    if (settings.partitionsUpdateMs > 0) this.#growth = setInterval(() => this.#look(), settings.partitionsUpdateMs).unref();
  }

  async #grow(partitions: number, signal: AbortSignal): Promise<void> {
    const made: TopicProducer[] = [];
    const make = async (partition: number, name: string | undefined): Promise<TopicProducer> => {
      const { context, settings, topic, encoder } = this.#setup;
      const part = { context, settings, topic: partitionName(topic, partition), partition, name, schema: encoder.info, room: this.#room };
      const producer = new TopicProducer(part);
      made.push(producer);
      await producer.open(signal);
      return producer;
    };
    const before = this.#producers;
    try {
      const added: TopicProducer[] = [];
      // The broker chooses the name of the first: the others go by it.
      if (before.length === 0) added.push(await make(0, this.#setup.options.name));
      const name = (before[0] ?? added[0])?.name;
      const rest = Array.from({ length: partitions - before.length - added.length }, (_, at) => before.length + added.length + at);
      added.push(...(await Promise.all(rest.map((partition) => make(partition, name)))));
      this.#producers = [...before, ...added];
    } catch (error) {
      await Promise.all(made.map((producer) => producer.close()));
      throw error;
    }
  }

  /** Looks for new partitions. What fails is tried again at the next look. */
  #look(): void {
    this.#extend().catch((cause: unknown) => {
      if (this.#stop.signal.aborted) return;
      const error = PulsarError.is(cause) ? cause : new PulsarError('PROTOCOL', 'cannot look for new partitions', { cause });
      const { context, settings } = this.#setup;
      context.emit({ scope: 'producer', type: 'retry', topic: this.topic, name: this.name, error, delayMs: settings.partitionsUpdateMs });
    });
  }

  async #extend(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const partitions = await this.#setup.context.lookup.partitions(this.topic, { create: false });
      if (partitions > this.#producers.length && !this.#stop.signal.aborted) await this.#grow(partitions, this.#stop.signal);
    } finally {
      this.#looking = false;
    }
  }

  send(message: ProducerMessage<T> | (T & Payload)): Promise<MessageId> {
    try {
      const outgoing = prepare(message, this.#setup.encoder);
      const given =
        typeof message === 'object' && !(message instanceof Uint8Array) ? (message as ProducerMessage<T>) : { value: message as T };
      const producer = this.#producers[this.#route(given, outgoing, this.#producers.length)];
      if (producer === undefined) throw new PulsarError('ALREADY_CLOSED', `the producer on ${this.topic} is closed`);
      return producer.send(outgoing);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async flush(): Promise<void> {
    const outcomes = await Promise.allSettled(this.#producers.map((producer) => producer.flush()));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#forget();
    clearInterval(this.#growth);
    this.#stop.abort(new PulsarError('ALREADY_CLOSED', `the producer on ${this.topic} is closed`));
    await Promise.all(this.#producers.map((producer) => producer.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
