import { createPulsarClient, type PulsarClient } from '../client/client.ts';
import type { PulsarClientOptions } from '../client/options.ts';
import { type BaseCommand, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { createFakeBroker, type FakeBroker, type FakeScript, type FakeSession, frameOf } from '../testing/fake-broker.ts';
import { ByteWriter } from '../wire/byte-writer.ts';
import type { MessageMetadata } from '../wire/message-metadata.ts';
import { encodeSend } from '../wire/send.ts';
import { writeSingleMessage } from '../wire/single-message.ts';
import type { Consumer, ConsumerOptions } from './port.ts';

/** An entry as a test delivers it. */
export interface FakeEntry {
  readonly entryId: number;
  /** One text: a plain message; several: a batch. */
  readonly texts: readonly (string | Buffer)[];
  /** Of each message. */
  readonly key?: string;
  readonly redeliveryCount?: number;
  readonly consumerEpoch?: number;
  readonly metadata?: Partial<MessageMetadata>;
}

/** A broker whose messages a test sends, and a client of it. */
export interface FakeTopic extends AsyncDisposable {
  readonly broker: FakeBroker;
  readonly client: PulsarClient;
  subscribe(options?: Partial<ConsumerOptions>): Promise<Consumer>;
  /** Sends entries to the consumer that subscribed last, or by its number from 0. */
  deliver(entries: readonly FakeEntry[], at?: number): void;
  /** All commands of a type so far. */
  commands(type: Type): readonly BaseCommand[];
  /** How many permits were given so far. */
  permits(): number;
  /** Every connection is cut. */
  cut(): void;
}

/** Starts both. */
export async function fakeTopic(script: FakeScript = () => false, options: Partial<PulsarClientOptions> = {}): Promise<FakeTopic> {
  const subscribed: { readonly session: FakeSession; readonly consumerId: bigint }[] = [];
  const broker = await createFakeBroker((command, session, payload) => {
    if (command.subscribe !== undefined) subscribed.push({ session, consumerId: command.subscribe.consumerId });
    return script(command, session, payload);
  });
  const client = createPulsarClient({ serviceUrl: broker.serviceUrl, backoff: { initialMs: 5, maxMs: 20 }, ...options });
  const commands = (type: Type): BaseCommand[] =>
    broker.sessions.flatMap(({ received }) => received).filter((command) => command.type === type);
  return {
    broker,
    client,
    subscribe: (own = {}) => client.subscribe({ topic: 'orders', subscription: 's', ...own } as ConsumerOptions),
    deliver(entries, at = subscribed.length - 1) {
      const to = subscribed[at];
      if (to === undefined) throw new Error('nobody has subscribed');
      to.session.sendRaw(Buffer.concat(entries.map((entry) => messageFrame(to.consumerId, entry))));
    },
    commands,
    permits: () => commands(Type.FLOW).reduce((sum, { flow }) => sum + (flow?.messagePermits ?? 0), 0),
    cut() {
      for (const session of broker.sessions) session.close();
    },
    async [Symbol.asyncDispose]() {
      // Without a broker closing waits for nothing.
      await broker.close();
      await client.close();
    },
  };
}

function messageFrame(consumerId: bigint, entry: FakeEntry): Buffer {
  const { entryId, texts, key, redeliveryCount = 0, consumerEpoch } = entry;
  const messageId = { ledgerId: 7n, entryId: BigInt(entryId) };
  const epoch = consumerEpoch === undefined ? {} : { consumerEpoch: BigInt(consumerEpoch) };
  const command = frameOf({ type: Type.MESSAGE, message: { consumerId, messageId, redeliveryCount, ...epoch } });
  const [first = ''] = texts;
  const metadata = { producerName: 'p', sequenceId: entryId, publishTime: 1_000, ...entry.metadata };
  const send = encodeSend(
    { producerId: 0, sequenceId: entryId },
    texts.length === 1 ? { ...metadata, partitionKey: key } : { ...metadata, numMessagesInBatch: texts.length },
    texts.length === 1 ? Buffer.from(first) : batchOf(texts, key),
  );
  const frame = Buffer.concat([command, send.subarray(8 + send.readUInt32BE(4))]);
  frame.writeUInt32BE(frame.length - 4, 0);
  return frame;
}

function batchOf(texts: readonly (string | Buffer)[], key: string | undefined): Buffer {
  const parts = texts.map((text) => {
    const payload = Buffer.from(text);
    const writer = new ByteWriter(Buffer.alloc(200));
    writeSingleMessage(writer, { partitionKey: key }, payload.length);
    return Buffer.concat([writer.buffer.subarray(0, writer.at), payload]);
  });
  return Buffer.concat(parts);
}
