import { create } from '@bufbuild/protobuf';
import { type Broker, createConsumer, createProducer, defineTopic, protobuf } from '@paystream/core';
import { type LogEntry, LogEntrySchema } from '@paystream/core/contracts';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import { createPulsarBroker } from '@paystream/core/pulsar';
import { createPulsarClient, type PulsarClient } from '@paystream/pulsar';
import { startPulsar } from '../tools/pulsar/broker.ts';
import { type Benchmark, compare, type Finding, perSecond } from './compare.ts';

const messages = 20_000;
const pending = 1_000;
const keys = 100;

/** Waits until a count is reached. */
function countdown(from: number): { readonly done: Promise<void>; down(by: number): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = from;
  return {
    done: promise,
    down: (by) => {
      left -= by;
      if (left === 0) resolve();
    },
  };
}

async function inChunks(send: (key: number) => Promise<unknown>): Promise<void> {
  for (let sent = 0; sent < messages; sent += pending) {
    await Promise.all(Array.from({ length: pending }, (_, index) => send(index % keys)));
  }
}

async function bare(broker: Broker, topic: string, payload: Uint8Array): Promise<void> {
  const subscription = await broker.subscribe({ topic, subscription: 'bare', type: 'key-shared', maxUnacknowledged: 1_000 });
  const producer = await broker.createProducer({ topic });
  const received = countdown(messages);
  const receive = async (): Promise<void> => {
    for (let got = 0; got < messages; ) {
      const batch = await subscription.receive(1_000);
      got += batch.length;
      await subscription.acknowledge(batch);
      received.down(batch.length);
    }
  };
  await Promise.all([inChunks((key) => producer.send({ payload, key: `order-${key}` })), receive(), received.done]);
  await Promise.all([producer.close(), subscription.unsubscribe()]);
}

/** The same by a bare Pulsar client, whose batches keep keys apart as those of the typed layer do. */
async function barePulsar(client: PulsarClient, topic: string, payload: Uint8Array): Promise<void> {
  const value = Buffer.from(payload);
  const consumer = await client.subscribe({ topic, subscription: 'bare', type: 'key_shared', initialPosition: 'earliest' });
  const producer = await client.createProducer({ topic, batching: { keyed: true } });
  const receive = async (): Promise<void> => {
    for (let got = 0; got < messages; ) {
      const batch = await consumer.receiveBatch({ maxMessages: 1_000 });
      got += batch.length;
      for (const message of batch) void message.acknowledge();
    }
  };
  await Promise.all([inChunks((key) => producer.send({ value, key: `order-${key}` })), receive()]);
  await Promise.all([producer.close(), consumer.unsubscribe()]);
}

interface Base {
  readonly name: string;
  /** Whether there is a goal beside it: a broker in memory costs so little that everything shows. */
  readonly goals: boolean;
  readonly broker: Broker;
  bare(topic: string, payload: Uint8Array): Promise<void>;
}

async function measure({ name, goals, broker, bare: reference }: Base): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [size, goal] of [
    [1_024, 0.9],
    [128, 0.7],
  ] as const) {
    const topic = defineTopic({ name: `typed-${size}`, codec: protobuf(LogEntrySchema), key: (entry) => entry.orderId });
    const message = 'x'.repeat(size - 14);
    const values = Array.from({ length: keys }, (_, key) => create(LogEntrySchema, { orderId: `order-${key}`, message }));
    const payload = topic.codec.encode(create(LogEntrySchema, { orderId: 'order-42', message }));
    const typed = async (): Promise<void> => {
      const received = countdown(messages);
      const consumer = await createConsumer(broker, topic, {
        subscription: 'typed',
        maxInFlight: 1_000,
        handleBatch: async (batch) => received.down(batch.length),
      });
      const producer = await createProducer(broker, topic);
      await Promise.all([inChunks((key) => producer.send(values[key] as LogEntry)), received.done]);
      await Promise.all([producer.close(), consumer.close()]);
    };
    findings.push(
      await compare({
        case: `${payload.length} B on ${name}, produced and consumed`,
        unit: 'messages/s',
        measured: { name: 'createProducer and createConsumer', round: () => perSecond(messages, typed) },
        reference: { name: `the bare ${name}`, round: () => perSecond(messages, () => reference(`bare-${size}`, payload)) },
        goal: goals ? goal : undefined,
      }),
    );
  }
  return findings;
}

export const benchmark: Benchmark = {
  name: 'typed-layer',
  question:
    'What do codec, envelope, key lanes, retries and batches cost on top of a Pulsar client, and of a broker that costs next to nothing?',
  run: async () => {
    await using running = new AsyncDisposableStack();
    const embedded = running.use(await createEmbeddedBroker());
    const pulsar = await startPulsar();
    running.defer(() => pulsar.stop());
    const client = createPulsarClient({ serviceUrl: pulsar.serviceUrl });
    running.defer(() => client.close());
    const broker = createPulsarBroker({ client });
    running.defer(() => broker.close());
    return [
      ...(await measure({ name: 'Pulsar client', goals: true, broker, bare: (topic, payload) => barePulsar(client, topic, payload) })),
      ...(await measure({
        name: 'embedded broker in memory',
        goals: false,
        broker: embedded,
        bare: (topic, payload) => bare(embedded, topic, payload),
      })),
    ];
  },
};
