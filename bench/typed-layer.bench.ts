import { create } from '@bufbuild/protobuf';
import { type Broker, createConsumer, createProducer, defineTopic, protobuf } from '@paystream/core';
import { type LogEntry, LogEntrySchema } from '@paystream/core/contracts';
import { createEmbeddedBroker } from '@paystream/core/embedded';
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

export const benchmark: Benchmark = {
  name: 'typed-layer',
  question: 'What do codec, envelope, key lanes, retries and batches cost on top of a broker that costs next to nothing?',
  run: async () => {
    const findings: Finding[] = [];
    await using broker = await createEmbeddedBroker();
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
          case: `${payload.length} B, produced and consumed`,
          unit: 'messages/s',
          measured: { name: 'createProducer and createConsumer', round: () => perSecond(messages, typed) },
          reference: {
            name: 'the bare embedded broker in memory',
            round: () => perSecond(messages, () => bare(broker, `bare-${size}`, payload)),
          },
          goal,
        }),
      );
    }
    return findings;
  },
};
