import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { onTestFinished, vi } from 'vitest';
import type { ClientContext } from '../client/context.ts';
import { createMemoryBudget } from '../client/memory-budget.ts';
import { decompress } from '../compression/codecs.ts';
import type { AssignedBroker, BrokerAddress, Connection, ProducerHandler } from '../connection/port.ts';
import { PulsarError, type PulsarErrorCode } from '../errors/pulsar-error.ts';
import type { PulsarEvent } from '../events/events.ts';
import {
  type BaseCommand,
  BaseCommand_Type,
  BaseCommandSchema,
  type CommandProducer,
  CommandProducerSuccessSchema,
} from '../gen/pulsar/wire_pb.ts';
import type { MessageId } from '../message/message-id.ts';
import { BatchReader } from '../wire/batch-reader.ts';
import { type ParsedMessage, parseMessage } from '../wire/parse-message.ts';
import type { Properties } from '../wire/properties.ts';
import { createProducer } from './create-producer.ts';
import type { Payload, ProducerMessage } from './message.ts';
import type { ProducerOptions } from './options.ts';
import type { Producer } from './producer.ts';

type Metadata = Extract<ParsedMessage, { valid: true }>['metadata'];

/** A message as the broker reads it out of a SEND. */
export interface SentMessage {
  readonly text: string;
  readonly key: string | undefined;
  readonly sequenceId: number;
  readonly properties: Properties;
}

/** A SEND as the broker reads it. */
export interface Sent {
  readonly producerId: number;
  readonly sequenceId: number;
  readonly highestSequenceId: number;
  readonly numMessages: number;
  readonly isChunk: boolean;
  readonly metadata: Metadata;
  readonly payload: Buffer;
  readonly messages: readonly SentMessage[];
  readonly frame: Buffer;
}

/** Reads a SEND frame, and checks its checksum. */
function readSend(frame: Buffer): Sent {
  const commandEnd = 8 + frame.readUInt32BE(4);
  if (frame.readUInt32BE(0) !== frame.length - 4) throw new Error('the size of the frame is wrong');
  const { send } = fromBinary(BaseCommandSchema, frame.subarray(8, commandEnd));
  if (send === undefined) throw new Error('no SEND');
  const parsed = parseMessage(frame.subarray(commandEnd));
  if (!parsed.valid) throw parsed.error;
  const { metadata } = parsed;
  // A part of what was compressed cannot be read alone.
  const payload = send.isChunk ? parsed.payload : decompress(metadata.compression, parsed.payload, metadata.uncompressedSize ?? 0, 1 << 30);
  const messages: SentMessage[] = [];
  if (metadata.numMessagesInBatch === undefined) {
    const { partitionKey: key, sequenceId, properties } = metadata;
    messages.push({ text: payload.toString(), key, sequenceId, properties });
  } else {
    const batch = new BatchReader(payload, metadata.numMessagesInBatch);
    while (batch.next()) {
      messages.push({
        text: batch.payload.toString(),
        key: batch.partitionKey,
        sequenceId: batch.sequenceId,
        properties: batch.properties,
      });
    }
  }
  return {
    producerId: Number(send.producerId),
    sequenceId: Number(send.sequenceId),
    highestSequenceId: Number(send.highestSequenceId),
    numMessages: send.numMessages,
    isChunk: send.isChunk,
    metadata,
    payload: parsed.payload,
    messages,
    frame,
  };
}

function unused(): never {
  throw new Error('producers do not use it');
}

/** A connection whose broker is the test. */
export class FakeConnection implements Connection {
  readonly broker = 'broker:6650';
  readonly protocolVersion = 21;
  readonly features: Connection['features'] = { topicWatchers: true, metadataWithoutAutoCreation: true };
  readonly maxMessageSize: number;
  readonly #world: FakeWorld;
  readonly handlers = new Map<number, ProducerHandler>();
  readonly commands: BaseCommand[] = [];
  readonly sent: Sent[] = [];
  closed = false;
  writable = true;
  #drained = Promise.withResolvers<void>();

  constructor(world: FakeWorld, maxMessageSize: number) {
    this.#world = world;
    this.maxMessageSize = maxMessageSize;
  }

  nextRequestId(): bigint {
    this.#world.requestIds += 1n;
    return this.#world.requestIds;
  }

  request(
    _requestId: bigint,
    command: BaseCommand,
    options: { readonly until?: (answer: BaseCommand) => boolean; readonly signal?: AbortSignal } = {},
  ): Promise<BaseCommand> {
    this.commands.push(command);
    const answers = Promise.withResolvers<BaseCommand>();
    options.signal?.addEventListener('abort', () => answers.reject(new PulsarError('CANCELED', 'canceled')));
    const answer = (next: BaseCommand): void => {
      if (options.until?.(next) !== false) answers.resolve(next);
    };
    if (command.type === BaseCommand_Type.CLOSE_PRODUCER) answer(create(BaseCommandSchema, { type: BaseCommand_Type.SUCCESS }));
    if (command.producer !== undefined) this.#world.onProducer(command.producer, answer, answers.reject, this);
    return answers.promise;
  }

  send(command: BaseCommand): void {
    this.commands.push(command);
  }

  write(frames: Buffer | readonly Buffer[]): boolean {
    for (const frame of Buffer.isBuffer(frames) ? [frames] : frames) this.sent.push(readSend(Buffer.from(frame)));
    return this.writable;
  }

  drained(): Promise<void> {
    return this.writable ? Promise.resolve() : this.#drained.promise;
  }

  /** The socket takes more, or does not. */
  setWritable(writable: boolean): void {
    this.writable = writable;
    if (!writable) return;
    this.#drained.resolve();
    this.#drained = Promise.withResolvers();
  }

  readonly awaitAnswer = unused;

  addProducer(producerId: number, handler: ProducerHandler): void {
    this.handlers.set(producerId, handler);
  }

  removeProducer(producerId: number): void {
    this.handlers.delete(producerId);
  }

  readonly addConsumer = unused;
  readonly removeConsumer = unused;
  readonly addTopicList = unused;
  readonly removeTopicList = unused;

  close(reason: PulsarError = new PulsarError('NOT_CONNECTED', 'lost')): void {
    if (this.closed) return;
    this.closed = true;
    this.writable = false;
    const handlers = [...this.handlers.values()];
    this.handlers.clear();
    for (const handler of handlers) handler.onDisconnected(reason);
  }

  /** Confirms an entry, by default as brokers do. */
  receipt(
    producerId: number,
    sequenceId: number,
    options: { readonly highest?: number; readonly entryId?: bigint; readonly ledgerId?: bigint } = {},
  ): void {
    const { highest = -1, entryId = BigInt(sequenceId), ledgerId = 7n } = options;
    this.handlers.get(producerId)?.onReceipt({ producerId, sequenceId, highestSequenceId: highest, ledgerId, entryId });
  }

  sendError(producerId: number, sequenceId: number, code: PulsarErrorCode, serverError?: string): void {
    this.handlers.get(producerId)?.onSendError(sequenceId, new PulsarError(code, 'refused', { command: 'SEND', serverError }));
  }

  closeProducer(producerId: number, assigned: AssignedBroker = { serviceUrl: undefined, serviceUrlTls: undefined }): void {
    this.handlers.get(producerId)?.onClosed(assigned);
  }
}

type Answer = (command: BaseCommand) => void;

/** Everything around a producer, in the hands of the test. */
export interface FakeWorld {
  readonly context: ClientContext;
  /** All that were made, newest last. */
  readonly connections: FakeConnection[];
  readonly connection: FakeConnection;
  readonly events: PulsarEvent[];
  readonly lookups: string[];
  readonly connectedTo: BrokerAddress[];
  requestIds: bigint;
  partitions: number;
  maxMessageSize: number;
  /** How PRODUCER is answered. Default: with success. */
  onProducer(producer: CommandProducer, answer: Answer, refuse: (error: PulsarError) => void, connection: FakeConnection): void;
}

/** The answer to a PRODUCER. */
export function success(producer: CommandProducer, fields: MessageInitShape<typeof CommandProducerSuccessSchema> = {}): BaseCommand {
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.PRODUCER_SUCCESS,
    producerSuccess: create(CommandProducerSuccessSchema, {
      requestId: producer.requestId,
      producerName: producer.producerName || 'standalone-0-1',
      lastSequenceId: -1n,
      ...fields,
    }),
  });
}

/** A world with one broker that takes every producer. */
export function fakeWorld(options: { readonly memoryLimitBytes?: number; readonly operationTimeoutMs?: number } = {}): FakeWorld {
  const { memoryLimitBytes = 0, operationTimeoutMs = 30_000 } = options;
  const connections: FakeConnection[] = [];
  let current: FakeConnection | undefined;
  let producerIds = 0;
  const world: FakeWorld = {
    connections,
    get connection() {
      return connections.at(-1)!;
    },
    events: [],
    lookups: [],
    connectedTo: [],
    requestIds: 0n,
    partitions: 0,
    maxMessageSize: 5_242_880,
    onProducer: (producer, answer) => answer(success(producer)),
    context: {
      pool: {
        newSlot: () => 0,
        connect: async (address) => {
          world.connectedTo.push(address);
          if (current === undefined || current.closed) {
            current = new FakeConnection(world, world.maxMessageSize);
            connections.push(current);
          }
          return current;
        },
        connectToService: () => Promise.reject(new Error('not used')),
        close: async () => undefined,
      },
      lookup: {
        topic: async (topic) => {
          world.lookups.push(topic);
          return { logical: 'broker:6650', physical: 'broker:6650' };
        },
        partitions: async () => world.partitions,
        topicsOf: async () => undefined,
        schema: async () => undefined,
        registerSchema: async () => new Uint8Array(),
        at: () => world.context.lookup,
      },
      tls: false,
      operationTimeoutMs,
      backoff: { initialMs: 100, maxMs: 60_000 },
      memory: createMemoryBudget(memoryLimitBytes),
      transactionsEnabled: false,
      emit: (event) => world.events.push(event),
      nextProducerId: () => producerIds++,
      nextConsumerId: () => 0,
      onClose: () => () => undefined,
    },
  };
  return world;
}

/** A producer of its own world, ready. */
export async function ready(
  options: Partial<ProducerOptions> = {},
  world: FakeWorld = fakeWorld(),
): Promise<{ readonly world: FakeWorld; readonly producer: Producer }> {
  const producer = await createProducer(world.context, { topic: 'orders', ...options });
  onTestFinished(() => {
    // Without a broker closing waits for nothing.
    world.connection.close();
    return producer.close();
  });
  return { world, producer };
}

/** Time stands still until the test lets it pass. */
export function fakeTime(): void {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate', 'Date', 'performance'],
  });
  onTestFinished(() => {
    vi.useRealTimers();
  });
}

/** Lets so many milliseconds pass, and everything that is due. */
export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** What a test has sent. */
export interface Sends {
  send(message: ProducerMessage | string | Uint8Array): void;
  /** What became of one by now: `pending`, its id, or the code of its error. */
  outcome(index?: number): Promise<string>;
  outcomes(): Promise<string[]>;
  /** Resolves once all are stored. */
  all(): Promise<unknown>;
}

/** Sends in one go. */
export function sendAll(producer: Producer<Payload>, messages: readonly (ProducerMessage | string | Uint8Array)[]): Sends {
  const sent: Promise<MessageId>[] = [];
  const sends: Sends = {
    send(message) {
      const one = producer.send(message);
      // It is for the test to find.
      one.catch(() => undefined);
      sent.push(one);
    },
    outcome: (index = 0) => outcomeOf(sent[index]!),
    outcomes: () => Promise.all(sent.map(outcomeOf)),
    all: () => Promise.all(sent),
  };
  for (const message of messages) sends.send(message);
  return sends;
}

/** What became of a promise by now: `pending`, its value as text, or the code of its error. */
export async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  const pending = Symbol('pending');
  let turns = 0;
  const later = async (): Promise<typeof pending> => {
    while (turns++ < 20) await undefined;
    return pending;
  };
  try {
    const outcome = await Promise.race([promise, later()]);
    return outcome === pending ? 'pending' : String(outcome);
  } catch (error) {
    return PulsarError.is(error) ? error.code : String(error);
  }
}
