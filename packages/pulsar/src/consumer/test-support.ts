import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { createPulsarAdmin, type PulsarAdmin } from '../admin/index.ts';
import { createPulsarClient, type PulsarClient } from '../client/client.ts';
import { createContext } from '../client/create-context.ts';
import type { PulsarClientOptions } from '../client/options.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { BaseCommand_Type, BaseCommandSchema } from '../gen/pulsar/wire_pb.ts';
import type { Message } from '../message/message.ts';
import type { MessageId } from '../message/message-id.ts';
import type { ProducerOptions } from '../producer/options.ts';
import { type BrokerVariant, realBroker } from '../testing/test-support.ts';
import type { MessageMetadata } from '../wire/message-metadata.ts';
import { encodeSend } from '../wire/send.ts';
import type { Consumer, ConsumerOptions } from './port.ts';

/** A real broker with a client, for the tests of a file. */
export interface Stage {
  readonly client: PulsarClient;
  readonly admin: PulsarAdmin;
  readonly serviceUrl: string;
  /** Another client, closed with the test. */
  newClient(options?: Partial<PulsarClientOptions>): PulsarClient;
  /** A consumer that is closed with the test. */
  subscribe<T = Buffer>(options: ConsumerOptions<T>, client?: PulsarClient): Promise<Consumer<T>>;
  /** Sends texts, and returns their ids. One batch each call, unless `options` say otherwise. */
  send(
    topic: string,
    texts: readonly string[],
    options?: Partial<ProducerOptions> & { readonly keys?: readonly string[] },
  ): Promise<MessageId[]>;
}

/** Starts the broker of a variant before the tests of a file. What is returned may be used in tests only. */
export function onStage(variant: BrokerVariant = 'default'): Stage {
  let stage: Stage | undefined;
  beforeAll(async () => {
    const broker = await realBroker(variant);
    const client = createPulsarClient({ serviceUrl: broker.serviceUrl });
    stage = {
      client,
      admin: createPulsarAdmin({ url: broker.adminUrl }),
      serviceUrl: broker.serviceUrl,
      newClient(options = {}) {
        const other = createPulsarClient({ serviceUrl: broker.serviceUrl, ...options });
        onTestFinished(() => other.close());
        return other;
      },
      async subscribe(options, from = client) {
        const consumer = await from.subscribe(options);
        onTestFinished(() => consumer.close());
        return consumer;
      },
      async send(topic, texts, { keys, ...options } = {}) {
        const batching = { maxMessages: texts.length, maxDelayMs: 50 };
        const producer = await client.createProducer({ topic, batching, ...options });
        const sent = texts.map((value, at) => producer.send({ value, key: keys?.[at] }));
        const ids = await Promise.all(sent);
        await producer.close();
        return ids;
      },
    };
  });
  afterAll(() => stage?.client.close());
  return new Proxy({} as Stage, { get: (_, name) => stage?.[name as keyof Stage] });
}

/** How long a broker may take to do something. */
export const soon = { timeout: 10_000 } as const;

/** `prefix0`, `prefix1` and so on. */
export function numbered(prefix: string, count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${from + at}`);
}

export function textOf(message: Message<unknown> | undefined): string {
  return message === undefined ? 'nothing' : message.data.toString();
}

/** A broker that deletes a namespace of somebody else may deliver nothing of some topics for half a minute. */
export const patienceMs = 45_000;

/** Receives so many, and leaves them unacknowledged. Fails after `timeoutMs` without any. */
export async function take<T>(consumer: Pick<Consumer<T>, 'receive'>, count: number, timeoutMs = patienceMs): Promise<Message<T>[]> {
  const messages: Message<T>[] = [];
  while (messages.length < count) {
    const message = await consumer.receive({ timeoutMs });
    if (message === undefined) throw new Error(`${messages.length} of ${count} messages came: ${messages.map(textOf)}`);
    messages.push(message);
  }
  return messages;
}

export async function takeTexts(consumer: Pick<Consumer<unknown>, 'receive'>, count: number, timeoutMs?: number): Promise<string[]> {
  return (await take(consumer, count, timeoutMs)).map(textOf);
}

/** What comes within a time that is long enough for something to come. */
export async function quiet(consumer: Pick<Consumer<unknown>, 'receive'>, timeoutMs = 500): Promise<string> {
  return textOf(await consumer.receive({ timeoutMs }));
}

/** Writes entries as they are given, sound or not. */
export interface RawWriter extends AsyncDisposable {
  /** Sends an entry, and resolves when it is stored. */
  send(metadata: Partial<MessageMetadata>, payload: Buffer): Promise<void>;
}

/** A producer of the bare protocol. */
export async function rawWriter(serviceUrl: string, topic: string): Promise<RawWriter> {
  const { context, close } = createContext({ serviceUrl });
  const connection = await context.pool.connect(await context.lookup.topic(topic), 0);
  const producerId = context.nextProducerId();
  const waiting = new Map<number, PromiseWithResolvers<void>>();
  const fail = (error: PulsarError): void => {
    for (const { reject } of waiting.values()) reject(error);
  };
  connection.addProducer(producerId, {
    onReceipt: ({ sequenceId }) => waiting.get(sequenceId)?.resolve(),
    onSendError: (_, error) => fail(error),
    onClosed: () => fail(new PulsarError('NOT_CONNECTED', 'the producer was closed')),
    onMigrated: () => undefined,
    onDisconnected: fail,
  });
  const requestId = connection.nextRequestId();
  await connection.request(
    requestId,
    create(BaseCommandSchema, {
      type: BaseCommand_Type.PRODUCER,
      producer: { topic, producerId: BigInt(producerId), requestId, producerName: 'raw' },
    }),
  );
  let sequenceId = 0;
  return {
    async send(metadata, payload) {
      const sent = Promise.withResolvers<void>();
      waiting.set(sequenceId, sent);
      const fields = { producerId, sequenceId, numMessages: metadata.numMessagesInBatch };
      connection.write(encodeSend(fields, { producerName: 'raw', sequenceId, publishTime: Date.now(), ...metadata }, payload));
      sequenceId += 1;
      await sent.promise;
    },
    [Symbol.asyncDispose]: close,
  };
}
