import { create } from '@bufbuild/protobuf';
import {
  type Broker,
  createConsumer,
  createIdGenerator,
  createProducer,
  defineTopic,
  protobuf,
  sealMessage,
  systemClock,
  systemRandom,
} from '@paystream/core';
import { type LogEntry, LogEntrySchema } from '@paystream/core/contracts';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import { createPulsarBroker } from '@paystream/core/pulsar';
import { createPulsarClient, type PulsarClient, type SubscriptionOptions } from '@paystream/pulsar';
import { startPulsar } from '../tools/pulsar/broker.ts';
import { type Benchmark, type Contestant, type Finding, findingOf, perSecond, takeTurns } from './compare.ts';
import { ackGroupTimeMs, consumerLikeBroker, producerLikeBroker, readBare } from './support/bare-pulsar.ts';

const messages = 20_000;
const pending = 1_000;
const maxInFlight = 1_000;
const keys = 100;
const rounds = 7;
/** The broker compiles itself meanwhile. */
const warmup = 3;

/** What produces and consumes in a round. */
interface Side {
  send(key: number): Promise<unknown>;
  /** Resolves when everything is acknowledged, and the subscription, which stays as it is, is left. */
  close(): Promise<unknown>;
}

/** Told of what is received. */
type Received = (batch: readonly { readonly publishTimeMs: number }[]) => void;

async function inChunks(send: (key: number) => Promise<unknown>): Promise<void> {
  for (let sent = 0; sent < messages; sent += pending) {
    await Promise.all(Array.from({ length: pending }, (_, index) => send(index % keys)));
  }
}

/** From the first message sent to the last one acknowledged. What an earlier round left behind must not end this one: it fails. */
function contestant(name: string, join: (received: Received) => Promise<Side>): Contestant {
  return {
    name,
    round: async () => {
      const { promise: all, resolve, reject } = Promise.withResolvers<void>();
      const begun = systemClock.now();
      let left = messages;
      const side = await join((batch) => {
        const old = batch.some(({ publishTimeMs }) => publishTimeMs < begun);
        left -= batch.length;
        if (old || left < 0) reject(new Error(`${name}: more came than what this round had sent`));
        else if (left === 0) resolve();
      });
      return perSecond(messages, async () => {
        await Promise.all([inChunks(side.send), all]);
        await side.close();
      });
    },
  };
}

async function joinTyped(
  broker: Broker,
  topic: ReturnType<typeof topicOf>,
  values: readonly LogEntry[],
  received: Received,
): Promise<Side> {
  const consumer = await createConsumer(broker, topic, {
    subscription: 'typed',
    maxInFlight,
    handleBatch: async (batch) => received(batch),
  });
  const producer = await createProducer(broker, topic);
  return {
    send: (key) => producer.send(values[key] as LogEntry),
    close: () => Promise.all([producer.close(), consumer.close()]),
  };
}

async function joinBroker(broker: Broker, topic: string, payload: Uint8Array, received: Received): Promise<Side> {
  const joined = { topic, subscription: 'bare', type: 'key-shared', initialPosition: 'earliest', maxUnacknowledged: maxInFlight } as const;
  const subscription = await broker.subscribe(joined);
  const producer = await broker.createProducer({ topic });
  const receive = async (): Promise<void> => {
    for (let got = 0; got < messages; ) {
      const batch = await subscription.receive(maxInFlight);
      got += batch.length;
      received(batch);
      await subscription.acknowledge(batch);
    }
  };
  const done = receive();
  return {
    send: (key) => producer.send({ payload, key: `order-${key}` }),
    close: async () => {
      await done;
      await Promise.all([producer.close(), subscription.close()]);
    },
  };
}

async function joinPulsar(
  client: PulsarClient,
  settings: Partial<SubscriptionOptions>,
  topic: string,
  payload: Uint8Array,
  received: Received,
): Promise<Side> {
  const value = Buffer.from(payload);
  const joined = { topic, subscription: 'bare', type: 'key_shared', initialPosition: 'earliest', ...settings } as const;
  const reading = await readBare(client, joined, messages, received);
  const producer = await client.createProducer({ topic, ...producerLikeBroker });
  return {
    send: (key) => producer.send({ value, key: `order-${key}` }),
    close: () => Promise.all([producer.close(), reading.close()]),
  };
}

/** What the layer cannot leave out, on the bare client: values encoded and decoded, an envelope sent with each and read. */
async function joinByHand(
  client: PulsarClient,
  name: string,
  topic: ReturnType<typeof topicOf>,
  values: readonly LogEntry[],
  received: Received,
): Promise<Side> {
  const { codec } = topic;
  const newId = createIdGenerator(systemClock, systemRandom);
  const joined = { topic: name, subscription: 'bare', type: 'key_shared', initialPosition: 'earliest' } as const;
  const reading = await readBare(client, { ...joined, ...consumerLikeBroker(maxInFlight) }, messages, (batch) => {
    received(
      batch.map(({ id, data, key, properties, eventTimeMs, publishTimeMs }) => {
        return { id: id.toString(), value: codec.decode(data), key, properties, eventTimeMs, publishTimeMs };
      }),
    );
  });
  const producer = await client.createProducer({ topic: name, ...producerLikeBroker });
  return {
    send: (key) => {
      const value = values[key] as LogEntry;
      const { payload, ...rest } = sealMessage(topic, value, { eventId: newId(), occurredAtMs: systemClock.now() });
      return producer.send({ value: payload, ...rest });
    },
    close: () => Promise.all([producer.close(), reading.close()]),
  };
}

interface Reference {
  readonly name: string;
  /** Where its topics are of its own: `bare`. */
  readonly prefix: string;
  /** Whether there is a goal beside it: a broker in memory costs so little that everything shows. */
  readonly goals: boolean;
  join(
    topic: string,
    payload: Uint8Array,
    received: Received,
    typed: ReturnType<typeof topicOf>,
    values: readonly LogEntry[],
  ): Promise<Side>;
}

const topicOf = (size: number) =>
  defineTopic({ name: `typed-${size}`, codec: protobuf(LogEntrySchema), key: (entry: LogEntry) => entry.orderId });

async function measure(on: string, broker: Broker, references: readonly Reference[]): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [size, goal] of [
    [1_024, 0.9],
    [128, 0.7],
  ] as const) {
    const topic = topicOf(size);
    const message = 'x'.repeat(size - 14);
    const values = Array.from({ length: keys }, (_, key) => create(LogEntrySchema, { orderId: `order-${key}`, message }));
    const payload = topic.codec.encode(create(LogEntrySchema, { orderId: 'order-42', message }));
    const [measured, ...taken] = await takeTurns(
      [
        contestant('createProducer and createConsumer', (received) => joinTyped(broker, topic, values, received)),
        ...references.map(({ name, prefix, join }) =>
          contestant(name, (received) => join(`${prefix}-${size}`, payload, received, topic, values)),
        ),
      ],
      rounds,
      warmup,
    );
    if (measured === undefined) throw new Error('nothing was measured');
    for (const [index, reference] of taken.entries()) {
      const what = { case: `${payload.length} B on ${on}, produced and consumed`, unit: 'messages/s' };
      findings.push(findingOf({ ...what, measured, reference, goal: references[index]?.goals === true ? goal : undefined }));
    }
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
    const broker = createPulsarBroker({ client, ackGroupTimeMs });
    running.defer(() => broker.close());
    const pulsarJoin =
      (settings: Partial<SubscriptionOptions>): Reference['join'] =>
      (topic, payload, received) =>
        joinPulsar(client, settings, topic, payload, received);
    return [
      ...(await measure('Pulsar', broker, [
        {
          name: 'the bare client, with the same settings',
          prefix: 'bare',
          goals: true,
          join: pulsarJoin(consumerLikeBroker(maxInFlight)),
        },
        {
          name: 'the bare client, which acknowledges by its defaults, without receipts',
          prefix: 'defaults',
          goals: false,
          join: pulsarJoin({}),
        },
        {
          name: 'the bare client, with the same settings, codec and envelope by hand',
          prefix: 'by-hand',
          goals: false,
          join: (name, _payload, received, topic, values) => joinByHand(client, name, topic, values, received),
        },
      ])),
      ...(await measure('the embedded broker in memory', embedded, [
        {
          name: 'the bare broker',
          prefix: 'bare',
          goals: false,
          join: (topic, payload, received) => joinBroker(embedded, topic, payload, received),
        },
      ])),
    ];
  },
};
