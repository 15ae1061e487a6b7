import { PulsarError } from '../errors/pulsar-error.ts';
import { entryOf } from '../message/entry.ts';
import { type AcknowledgeOptions, type Message, type NegativeAcknowledgeOptions, ReceivedMessage } from '../message/message.ts';
import { MessageId } from '../message/message-id.ts';
import type { SeekPosition } from './cursor.ts';
import type { Letters } from './letters.ts';
import type { ConsumerSettings } from './options.ts';
import type { Acknowledgeable, Consumer, ReceiveBatchOptions, ReceiveOptions, ReconsumeOptions } from './port.ts';
import { type ConsumerRun, type MessageHandler, type RunOptions, startRun } from './runner.ts';
import type { TopicConsumer } from './topic-consumer.ts';
import type { TopicSet } from './topic-set.ts';

const BATCH_BYTES = 10 * 1024 * 1024;
const BATCH_MS = 100;

/** Options of {@link SetConsumer}. */
export interface SetConsumerOptions<T> {
  readonly settings: ConsumerSettings;
  readonly set: TopicSet<T>;
  readonly letters: Letters | undefined;
  /** Called once when it is closed. */
  readonly onClose: () => void | Promise<void>;
}

/** {@link Consumer} of a set of topics. */
export class SetConsumer<T> implements Consumer<T> {
  readonly #options: SetConsumerOptions<T>;
  readonly #set: TopicSet<T>;
  #closing: Promise<void> | undefined;

  constructor(options: SetConsumerOptions<T>) {
    this.#options = options;
    this.#set = options.set;
  }

  get subscription(): string {
    return this.#options.settings.subscription;
  }

  get name(): string {
    return this.#options.settings.name;
  }

  get topics(): readonly string[] {
    return this.#set.consumers.map(({ topic }) => topic);
  }

  get connected(): boolean {
    return this.#set.consumers.every((consumer) => consumer.connected);
  }

  get paused(): boolean {
    return this.#set.paused;
  }

  receive(options?: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: undefined }): Promise<Message<T>>;
  receive(options: ReceiveOptions): Promise<Message<T> | undefined>;
  receive(options?: ReceiveOptions): Promise<Message<T> | undefined> {
    return this.#set.queue.receive(options?.timeoutMs, options?.signal);
  }

  receiveBatch(options: ReceiveBatchOptions = {}): Promise<Message<T>[]> {
    const { maxMessages = Number.POSITIVE_INFINITY, maxBytes = BATCH_BYTES, timeoutMs = BATCH_MS, signal } = options;
    const { minMessages = maxMessages } = options;
    return this.#set.queue.receiveBatch({ minMessages, maxMessages, maxBytes, timeoutMs, signal, sizeOf: ({ size }) => size });
  }

  run(handler: MessageHandler<T>, options?: RunOptions<T>): ConsumerRun {
    return startRun(this.#set.queue, handler, options);
  }

  [Symbol.asyncIterator](): AsyncIterator<Message<T>, undefined> {
    const { queue } = this.#set;
    const wait = async (): Promise<IteratorResult<Message<T>, undefined>> => {
      try {
        return { done: false, value: (await queue.receive()) as Message<T> };
      } catch (error) {
        if (PulsarError.is(error) && error.code === 'ALREADY_CLOSED') return { done: true, value: undefined };
        throw error;
      }
    };
    return {
      next: () => {
        const value = queue.waiting === 0 ? queue.take() : undefined;
        return value === undefined ? wait() : Promise.resolve({ done: false, value });
      },
    };
  }

  acknowledge(what: Acknowledgeable | readonly Acknowledgeable[], options?: AcknowledgeOptions): Promise<void> {
    if (!Array.isArray(what)) return this.#acknowledgeOne(what as Acknowledgeable, options);
    return Promise.all(what.map((one: Acknowledgeable) => this.#acknowledgeOne(one, options))).then(() => undefined);
  }

  async acknowledgeCumulative(what: Acknowledgeable, options?: AcknowledgeOptions): Promise<void> {
    const owner = this.#ownerOf(what);
    if (owner === undefined) return;
    if (owner.type === 'shared' || owner.type === 'key_shared') {
      throw new PulsarError('NOT_ALLOWED', `a ${owner.type} subscription cannot be acknowledged cumulatively`);
    }
    await owner.acknowledgeCumulative(idOrOwn<T>(what), options);
  }

  #acknowledgeOne(what: Acknowledgeable, options?: AcknowledgeOptions): Promise<void> {
    try {
      return this.#ownerOf(what)?.acknowledge(idOrOwn<T>(what), options) ?? Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  negativeAcknowledge(what: Acknowledgeable, options?: NegativeAcknowledgeOptions): void {
    this.#ownerOf(what)?.negativeAcknowledge(idOrOwn<T>(what), options);
  }

  /** The consumer of the topic that a message is of; `undefined` if it has left the set. */
  #ownerOf(what: Acknowledgeable): TopicConsumer<T> | undefined {
    if (this.#closing !== undefined) throw this.#set.closedError();
    const source = MessageId.is(what) ? entryOf(what)?.source : own<T>(what).entry.source;
    const { topic } = what;
    const owner = topic === undefined ? undefined : this.#set.get(topic);
    // A message of a topic that was deleted has nobody to tell.
    if (owner !== undefined || source !== undefined) return owner;
    if (topic === undefined) {
      const { consumers } = this.#set;
      const named = consumers.filter(({ partition }) => partition >= 0 && partition === partitionOf(what));
      const [only, ...others] = consumers.length === 1 ? consumers : named;
      if (only !== undefined && others.length === 0) return only;
    }
    const of = topic ?? 'a topic that it does not name';
    throw new PulsarError('INVALID_ARGUMENT', `message ${what} is of ${of}, and this consumer receives from ${this.topics.join(', ')}`);
  }

  async reconsumeLater(message: Message<T>, options: ReconsumeOptions = {}): Promise<void> {
    const { letters } = this.#options;
    if (letters?.retryTopic === undefined) {
      throw new PulsarError('NOT_ALLOWED', 'messages cannot be put away: subscribe with the option retryLetter');
    }
    try {
      await letters.putAway(own<unknown>(message), options);
    } catch (error) {
      this.negativeAcknowledge(message);
      throw error;
    }
    await this.acknowledge(message);
  }

  redeliverUnacknowledged(): void {
    for (const consumer of this.#set.consumers) consumer.redeliverUnacknowledged();
  }

  async seek(position: SeekPosition, { inclusive = false }: { readonly inclusive?: boolean } = {}): Promise<void> {
    if (this.#closing !== undefined) throw this.#set.closedError();
    const to = endOf(position) ?? position;
    const owners = MessageId.is(to) ? [this.#ownerOf(to)] : this.#set.consumers;
    await allOf(owners.map(async (owner) => owner?.seek(to, inclusive)));
  }

  async lastMessageIds(): Promise<readonly MessageId[]> {
    const last = await Promise.all(this.#set.consumers.map((consumer) => consumer.last()));
    return last.map(({ id }) => id).filter(({ entryId }) => entryId >= 0n);
  }

  async backlog(): Promise<number> {
    const each = await Promise.all(this.#set.consumers.map((consumer) => consumer.backlog()));
    return each.reduce((sum, backlog) => sum + backlog, 0);
  }

  pause(): void {
    this.#set.pause();
  }

  resume(): void {
    this.#set.resume();
  }

  async unsubscribe({ force = false }: { readonly force?: boolean } = {}): Promise<void> {
    if (this.#closing !== undefined) throw this.#set.closedError();
    const leave = async (consumer: TopicConsumer<T>): Promise<void> => {
      await consumer.unsubscribe(force);
      await this.#set.remove(consumer.topic);
    };
    await allOf(this.#set.consumers.map(leave));
    await this.close();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#set.close();
      await this.#options.letters?.close();
    } finally {
      await this.#options.onClose();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A message as consumers make it. */
function own<T>(message: Message<unknown>): ReceivedMessage<T> {
  if (message instanceof ReceivedMessage) return message;
  throw new PulsarError('INVALID_ARGUMENT', 'only messages that a consumer received can be acknowledged or given back, and their ids');
}

/** Resolves when all have, or rejects with the first failure, but not before all have settled. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(work);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Which end of every topic an id stands for, if it does. */
function endOf(position: SeekPosition): 'earliest' | 'latest' | undefined {
  if (!MessageId.is(position)) return undefined;
  if (position.equals(MessageId.earliest)) return 'earliest';
  return position.equals(MessageId.latest) ? 'latest' : undefined;
}

function partitionOf(what: Acknowledgeable): number {
  return MessageId.is(what) ? what.partition : what.id.partition;
}

function idOrOwn<T>(what: Acknowledgeable): ReceivedMessage<T> | MessageId {
  return MessageId.is(what) ? what : own<T>(what);
}
