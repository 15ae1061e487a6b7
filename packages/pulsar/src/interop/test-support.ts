import { createPulsarClient, type PulsarClient } from '../client/client.ts';
import type { ConsumerOptions } from '../consumer/port.ts';
import { patienceMs } from '../consumer/test-support.ts';
import type { Message } from '../message/message.ts';
import type { MessageId } from '../message/message-id.ts';
import type { ProducerMessage } from '../producer/message.ts';
import type { ProducerOptions } from '../producer/options.ts';
import { type JavaClient, javaClient } from '../testing/java-client/test-support.ts';
import { allOf } from '../testing/missing-messages.ts';
import { type PythonClient, pythonClient } from '../testing/python-client/test-support.ts';
import { type RealBroker, realBroker } from '../testing/test-support.ts';

/** Our client and the official ones, at one broker. */
export interface Clients extends AsyncDisposable {
  readonly broker: RealBroker;
  readonly java: JavaClient;
  readonly python: PythonClient;
  readonly client: PulsarClient;
  /** Sends messages with a producer of its own. */
  send(options: ProducerOptions, messages: readonly ProducerMessage[]): Promise<readonly MessageId[]>;
  /** Receives and acknowledges so many, from the earliest on, with a consumer of its own. */
  receive(topic: string, count: number, options?: Partial<ConsumerOptions>): Promise<readonly Message[]>;
}

/** The clients. The first call of a run starts what it needs: call it in `beforeAll`. */
export async function allClients(): Promise<Clients> {
  const broker = await realBroker();
  const [java, python] = await Promise.all([javaClient(broker), pythonClient(broker)]);
  const client = createPulsarClient({ serviceUrl: broker.serviceUrl, transactions: true });
  return {
    broker,
    java,
    python,
    client,
    async send(options, messages) {
      await using producer = await client.createProducer({ maxPendingMessages: 10_000, ...options });
      return Promise.all(messages.map((message) => producer.send(message)));
    },
    async receive(topic, count, options) {
      await using consumer = await client.subscribe({
        topic,
        subscription: 'ours',
        initialPosition: 'earliest',
        ...options,
      } as ConsumerOptions);
      const messages: Message[] = [];
      while (messages.length < count) {
        const message = await consumer.receive({ timeoutMs: patienceMs });
        if (message === undefined) return allOf(messages, count, topic, broker);
        messages.push(message);
        await message.acknowledge();
      }
      return messages;
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** What JSON can carry of bytes. */
export const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes as string).toString('base64');
