import type { ClientContext } from '../client/context.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { parseTopicName } from '../lookup/topic-name.ts';
import type { ReceivedMessage } from '../message/message.ts';
import { createProducer } from '../producer/create-producer.ts';
import type { Producer } from '../producer/producer.ts';
import type { SchemaInfo } from '../schema/port.ts';
import { type ConsumerSettings, type DeadLetterOptions, type RetryLetterOptions, randomName } from './options.ts';
import type { ReconsumeOptions } from './port.ts';

/** What the Java client calls the properties of a letter. */
const RECONSUME_TIMES = 'RECONSUMETIMES';
const DELAY_TIME = 'DELAY_TIME';
const REAL_TOPIC = 'REAL_TOPIC';
const REAL_SUBSCRIPTION = 'REAL_SUBSCRIPTION';
const ORIGIN_MESSAGE_ID = 'ORIGIN_MESSAGE_ID';
const OLD_ORIGIN_MESSAGE_ID = 'ORIGIN_MESSAGE_IDY_TIME';

const MAX_REDELIVERIES = 16;

/** Options of {@link Letters}. */
export interface LetterOptions {
  readonly context: ClientContext;
  readonly settings: ConsumerSettings;
  /** The topic that the names of the others are made of; `undefined`: it is not known. */
  readonly topic: string | undefined;
  readonly schema: SchemaInfo | undefined;
  readonly deadLetter: DeadLetterOptions | undefined;
  readonly retryLetter: boolean | RetryLetterOptions | undefined;
}

/** Sends messages to the retry topic and the dead-letter topic of a subscription, as the Java client does. */
export class Letters {
  readonly maxRedeliveries: number;
  /** `undefined`: messages cannot be put away. */
  readonly retryTopic: string | undefined;
  readonly deadLetterTopic: string;
  readonly #options: LetterOptions;
  readonly #producers = new Map<string, Promise<Producer<Buffer>>>();

  constructor(options: LetterOptions) {
    const { topic, settings, deadLetter, retryLetter } = options;
    const base = topic && `${parseTopicName(topic).base}-${settings.subscription}`;
    const nameOf = (given: string | undefined, option: string, suffix: string): string => {
      if (given !== undefined) return given;
      if (base !== undefined) return `${base}-${suffix}`;
      throw new PulsarError(
        'INVALID_ARGUMENT',
        `the option ${option}.topic is needed with a pattern, which names no topic to derive it from`,
      );
    };
    this.#options = options;
    this.maxRedeliveries = deadLetter?.maxRedeliveries ?? MAX_REDELIVERIES;
    if (!(this.maxRedeliveries >= 1)) {
      throw new PulsarError('INVALID_ARGUMENT', `deadLetter.maxRedeliveries cannot be ${this.maxRedeliveries}: it is at least 1`);
    }
    this.deadLetterTopic = nameOf(deadLetter?.topic, 'deadLetter', 'DLQ');
    if (retryLetter !== undefined && retryLetter !== false) {
      this.retryTopic = nameOf(retryLetter === true ? undefined : retryLetter.topic, 'retryLetter', 'RETRY');
    }
  }

  /** Sends a message to the dead-letter topic since it was delivered too often. */
  async bury(message: ReceivedMessage<unknown>): Promise<void> {
    await this.#send(this.deadLetterTopic, message, this.#properties(message), undefined);
  }

  /** Sends a message to the retry topic, or to the dead-letter topic if that happened too often. */
  async putAway(message: ReceivedMessage<unknown>, { delayMs = 0, properties = {} }: ReconsumeOptions): Promise<void> {
    const retryTopic = this.retryTopic;
    if (retryTopic === undefined) {
      throw new PulsarError('NOT_ALLOWED', 'messages cannot be put away: subscribe with the option retryLetter');
    }
    const times = Number(message.properties[RECONSUME_TIMES] ?? '0') + 1;
    const all = {
      ...this.#properties(message),
      ...properties,
      [RECONSUME_TIMES]: String(times),
      [DELAY_TIME]: String(delayMs),
    };
    if (times > this.maxRedeliveries) await this.#send(this.deadLetterTopic, message, all, undefined);
    else await this.#send(retryTopic, message, all, delayMs > 0 ? delayMs : undefined);
  }

  #properties(message: ReceivedMessage<unknown>): Record<string, string> {
    const { ledgerId, entryId, partition, batchIndex } = message.id;
    const id = `${ledgerId}:${entryId}:${partition}${batchIndex < 0 ? '' : `:${batchIndex}`}`;
    const origin = message.properties[ORIGIN_MESSAGE_ID] ?? id;
    return {
      ...message.properties,
      [REAL_TOPIC]: message.properties[REAL_TOPIC] ?? message.topic,
      [REAL_SUBSCRIPTION]: this.#options.settings.subscription,
      [ORIGIN_MESSAGE_ID]: origin,
      [OLD_ORIGIN_MESSAGE_ID]: origin,
    };
  }

  async #send(
    topic: string,
    message: ReceivedMessage<unknown>,
    properties: Readonly<Record<string, string>>,
    deliverAfterMs: number | undefined,
  ): Promise<void> {
    const producer = await this.#producer(topic);
    await producer.send({
      value: message.isNull ? null : message.data,
      key: message.keyIsBase64 ? message.keyBytes : message.key,
      orderingKey: message.orderingKey,
      eventTimeMs: message.eventTimeMs,
      properties,
      deliverAfterMs,
    });
  }

  /** The producer of a topic: made when first needed, and again if it could not be made or is over. */
  async #producer(topic: string): Promise<Producer<Buffer>> {
    for (;;) {
      let made = this.#producers.get(topic);
      if (made === undefined) {
        made = this.#create(topic);
        this.#producers.set(topic, made);
        made.catch(() => this.#producers.delete(topic));
      }
      // The same way for the first message and those behind it, so that they keep their order.
      const producer = await made;
      if (producer.state === 'connecting' || producer.state === 'ready') return producer;
      if (this.#producers.get(topic) === made) this.#producers.delete(topic);
    }
  }

  #create(topic: string): Promise<Producer<Buffer>> {
    const { context, settings, deadLetter, schema } = this.#options;
    const dead = topic === this.deadLetterTopic;
    const label = `${this.#options.topic ?? topic}-${settings.subscription}-${settings.name}-${randomName(5)}`;
    return createProducer<Buffer>(context, {
      topic,
      name: `${label}-${dead ? 'DLQ' : 'RETRY'}`,
      schema: { info: schema, encode: (data) => data },
      batching: false,
      chunking: true,
      ...(dead && deadLetter?.initialSubscription !== undefined ? { initialSubscription: deadLetter.initialSubscription } : {}),
    });
  }

  async close(): Promise<void> {
    const producers = await Promise.allSettled(this.#producers.values());
    await Promise.all(producers.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.close() : undefined)));
  }
}
