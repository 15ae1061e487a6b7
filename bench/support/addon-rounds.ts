// A program: the official Node client, a native addon, driven by lines of JSON on standard input as `go-pulsar/main.go` is. Its
// argument is the folder of an installed copy. Ends with its input.
import { createRequire } from 'node:module';
import { answerRounds, maxPending, payloadOf, sendAll, stopwatch } from './node-rounds.ts';
import type { Figures, PulsarRound } from './pulsar-clients.ts';

/** As much of the addon's interface as is used here. */
interface Addon {
  Client: {
    new (options: { readonly serviceUrl: string }): AddonClient;
    setLogHandler(handler: () => void): void;
  };
}

interface AddonClient {
  createProducer(options: object): Promise<{
    send(message: { readonly data: Buffer; readonly partitionKey?: string }): Promise<unknown>;
    close(): Promise<unknown>;
  }>;
  subscribe(options: object): Promise<{
    receive(timeoutMs: number): Promise<{ getData(): Buffer }>;
    acknowledge(message: unknown): Promise<unknown>;
    close(): Promise<unknown>;
  }>;
  close(): Promise<unknown>;
}

async function produce(client: AddonClient, round: PulsarRound): Promise<Figures> {
  const producer = await client.createProducer({
    topic: round.topic,
    maxPendingMessages: maxPending,
    blockIfQueueFull: true,
    batchingEnabled: !round.oneByOne,
    batchingMaxMessages: 1_000,
    batchingMaxAllowedSizeInBytes: 128 * 1_024,
    batchingMaxPublishDelayMs: 1,
    batchingType: round.keyed ? 'KeyBasedBatching' : 'DefaultBatching',
  });
  const data = payloadOf(round.size);
  try {
    return await sendAll(round, (index) => producer.send(round.keyed ? { data, partitionKey: `key-${index}` } : { data }));
  } finally {
    await producer.close();
  }
}

async function consume(client: AddonClient, { topic, subscription, shared, count, size }: PulsarRound): Promise<Figures> {
  const stop = stopwatch();
  const consumer = await client.subscribe({
    topic,
    subscription,
    subscriptionType: shared ? 'Shared' : 'Exclusive',
    subscriptionInitialPosition: 'Earliest',
    receiverQueueSize: 1_000,
  });
  try {
    let bytes = 0;
    for (let received = 0; received < count; received++) {
      const message = await consumer.receive(60_000);
      bytes += message.getData().length;
      void consumer.acknowledge(message);
    }
    if (bytes !== count * size) throw new Error(`${bytes} bytes in ${count} messages of ${size}`);
    return stop();
  } finally {
    await consumer.close();
  }
}

const { Client } = createRequire(import.meta.url)(process.argv[2] ?? 'pulsar-client') as Addon;
Client.setLogHandler(() => undefined);
let client: AddonClient | undefined;
await answerRounds((round) => {
  client ??= new Client({ serviceUrl: round.serviceUrl });
  return (round.do === 'produce' ? produce : consume)(client, round);
});
await client?.close();
