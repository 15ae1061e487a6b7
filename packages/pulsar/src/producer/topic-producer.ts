import type { ClientContext } from '../client/context.ts';
import type { Connection, SendReceipt } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { ProducerEvent } from '../events/events.ts';
import type { CommandProducerSuccess } from '../gen/pulsar/wire_pb.ts';
import type { MessageId } from '../message/message-id.ts';
import type { SchemaInfo } from '../schema/port.ts';
import { BufferPool } from '../wire/buffer-pool.ts';
import type { BatchOutlet } from './batch.ts';
import { createBatchContainer, KeyedBatchContainer } from './batch-container.ts';
import { Batcher } from './batcher.ts';
import { failAll, type Settle } from './entry.ts';
import { EntryWriter, now } from './entry-writer.ts';
import { ProducerLink } from './link.ts';
import type { Outgoing } from './message.ts';
import type { ProducerSettings } from './options.ts';
import { createPrerequisite } from './prerequisite.ts';
import type { ProducerState } from './producer.ts';
import { SendGate } from './send-gate.ts';
import { SendQueue } from './send-queue.ts';
import type { SendRoom } from './send-room.ts';
import { SendTimeout } from './send-timeout.ts';

/** What the producer of a topic without partitions, or of one partition, is made of. */
export interface TopicProducerOptions {
  readonly context: ClientContext;
  readonly settings: ProducerSettings;
  /** The full name, with that of the partition. */
  readonly topic: string;
  /** -1: not a partition. */
  readonly partition: number;
  /** `undefined`: the broker chooses one. */
  readonly name: string | undefined;
  readonly schema: SchemaInfo | undefined;
  readonly room: SendRoom;
}

/** Frames come and go in all producers: they share what is left over. */
const pool = new BufferPool();

// A promise is what sending a message costs: without a closure for each.
let captured: Settle;
const capture = (resolve: Settle): void => {
  captured = resolve;
};

const stateAfter: Readonly<Record<string, ProducerState>> = { PRODUCER_FENCED: 'fenced', TOPIC_TERMINATED: 'terminated' };

/** Produces to one topic or partition. */
export class TopicProducer {
  readonly topic: string;
  readonly #options: TopicProducerOptions;
  readonly #writer: EntryWriter;
  readonly #batcher: Batcher | undefined;
  readonly #queue: SendQueue;
  readonly #gate: SendGate;
  readonly #timeout: SendTimeout;
  readonly #link: ProducerLink;
  #state: ProducerState = 'connecting';
  /** Why nothing is taken any more. */
  #ended: PulsarError | undefined;
  #closing: Promise<void> | undefined;
  #name = '';
  #nextSequenceId: number | undefined;
  #lastSequenceId = -1;

  constructor(options: TopicProducerOptions) {
    const { context, settings, topic, partition, room } = options;
    const { batching, codec, chunking, blockIfQueueFull, sendTimeoutMs } = settings;
    const producerId = context.nextProducerId();
    this.topic = topic;
    this.#options = options;
    this.#nextSequenceId = settings.initialSequenceId;
    if (settings.initialSequenceId !== undefined) this.#lastSequenceId = settings.initialSequenceId - 1;
    const maxChunkBytes = chunking === undefined ? undefined : (chunking.maxChunkBytes ?? Number.POSITIVE_INFINITY);
    this.#writer = new EntryWriter({ producerId, codec, pool, maxChunkBytes });
    this.#queue = new SendQueue({
      topic,
      partition,
      pool,
      hooks: {
        onSettled: (messages, bytes) => room.give(messages, bytes),
        onStored: (sequenceId) => {
          if (sequenceId > this.#lastSequenceId) this.#lastSequenceId = sequenceId;
        },
      },
    });
    const outlet: BatchOutlet = {
      writer: this.#writer,
      send: (entry) => this.#queue.push(entry),
      fail: (settles, bytes, error) => this.#refuse(settles, bytes, error),
    };
    if (batching !== undefined) {
      this.#batcher = new Batcher({
        limits: batching,
        // Compression makes some data larger.
        maxEntryBytes: () => Math.floor(this.#writer.facts.maxMessageSize * (codec === undefined ? 1 : 0.8)),
        container: batching.keyed ? new KeyedBatchContainer(pool) : createBatchContainer(pool),
        outlet,
        isIdle: () => this.#queue.size === 0,
        isConnected: () => this.#state === 'ready',
      });
    }
    this.#gate = new SendGate({
      prerequisite: createPrerequisite(() => this.#link.lookup, topic),
      room,
      blockIfQueueFull,
      admit: (outgoing, settle) => this.#admit(outgoing, settle),
    });
    this.#timeout = new SendTimeout({
      timeoutMs: sendTimeoutMs,
      oldest: () => this.#queue.oldestCreatedAt ?? this.#batcher?.oldestCreatedAt,
      onTimeout: () => this.#onTimeout(),
    });
    this.#link = this.#makeLink(producerId);
  }

  #makeLink(producerId: number): ProducerLink {
    const { context, settings, topic, name, schema } = this.#options;
    return new ProducerLink({
      context,
      settings,
      topic,
      name,
      schema,
      producerId,
      hooks: {
        onReady: (connection, success) => this.#onReady(connection, success),
        onReceipt: (receipt) => this.#onReceipt(receipt),
        onSendError: (sequenceId, error) => this.#onSendError(sequenceId, error),
        onDown: (error) => this.#onDown(error),
        onRetry: (error, delayMs) => this.#onRetry(error, delayMs),
        onFailed: (error) => this.#end(stateAfter[error.code] ?? 'failed', error),
      },
    });
  }

  get name(): string {
    return this.#name;
  }

  get state(): ProducerState {
    return this.#state;
  }

  get lastSequenceId(): number {
    return this.#lastSequenceId;
  }

  /** How many batches it has sent: when one is sent it is another partition's turn. */
  get batchesSent(): number {
    return this.#batcher?.closes ?? 0;
  }

  /** Makes it known to the broker. */
  async open(signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#link.open(signal);
    } catch (error) {
      if (this.#closing === undefined) this.#end('failed', error as PulsarError);
      throw error;
    }
  }

  send(outgoing: Outgoing): Promise<MessageId> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const promise = new Promise<MessageId>(capture);
    this.#gate.offer(outgoing, captured);
    return outgoing.scope === undefined ? promise : outgoing.scope.track(promise);
  }

  #admit(outgoing: Outgoing, settle: Settle): void {
    const next = this.#nextSequenceId ?? 0;
    if (outgoing.sequenceId < 0) outgoing.sequenceId = next;
    if (outgoing.sequenceId >= next) this.#nextSequenceId = outgoing.sequenceId + 1;
    this.#timeout.start();
    const batcher = this.#batcher;
    if (batcher !== undefined && outgoing.deliverAtTime === undefined && outgoing.replicateTo === undefined) {
      batcher.add(outgoing, settle);
      return;
    }
    batcher?.close();
    try {
      for (const entry of this.#writer.single(outgoing, settle, now())) this.#queue.push(entry);
    } catch (error) {
      this.#refuse([settle], outgoing.payload.length, error);
    }
  }

  /** What cannot be put into an entry. */
  #refuse(settles: readonly Settle[], bytes: number, cause: unknown): void {
    const error = PulsarError.is(cause) ? cause : new PulsarError('INVALID_MESSAGE', 'a message cannot be encoded', { cause });
    failAll(settles, error);
    this.#options.room.give(settles.length, bytes);
  }

  #onReady(connection: Connection, success: CommandProducerSuccess): void {
    const { producerName, schemaVersion } = success;
    this.#name = producerName;
    this.#writer.facts = {
      producerName,
      schemaVersion: schemaVersion.length === 0 ? undefined : schemaVersion,
      maxMessageSize: connection.maxMessageSize,
    };
    if (this.#nextSequenceId === undefined) {
      const last = Number(success.lastSequenceId);
      this.#nextSequenceId = last + 1;
      this.#lastSequenceId = last;
    }
    this.#state = 'ready';
    this.#queue.attach(connection);
    this.#batcher?.close();
    this.#emit({ type: 'ready' });
  }

  #onReceipt(receipt: SendReceipt): void {
    const error = this.#queue.receive(receipt);
    if (error !== undefined) this.#link.breakConnection(error);
  }

  #onSendError(sequenceId: number, error: PulsarError): void {
    switch (error.code) {
      case 'CORRUPT':
        this.#queue.checksumRefused(sequenceId, error);
        return;
      case 'NOT_ALLOWED':
        this.#queue.refused(sequenceId, error);
        return;
      case 'TOPIC_TERMINATED':
        this.#link.fail(error);
        return;
      default:
        this.#link.reset(error);
    }
  }

  #onDown(error: PulsarError): void {
    this.#queue.detach();
    if (this.#state === 'closing') this.#failPending(closedError(this.topic, error));
    else this.#state = 'connecting';
    this.#emit({ type: 'disconnected', error });
  }

  #onRetry(error: PulsarError, delayMs: number): void {
    // The other kind of this error asks for patience.
    if (error.serverError === 'ProducerBlockedQuotaExceededException') this.#failPending(error);
    this.#emit({ type: 'retry', error, delayMs });
  }

  #onTimeout(): void {
    const { sendTimeoutMs } = this.#options.settings;
    const error = new PulsarError(
      'TIMEOUT',
      `${this.topic} did not confirm a message within ${sendTimeoutMs} ms: whether it is stored is unknown`,
      {
        command: 'SEND',
      },
    );
    this.#failPending(error);
    this.#emit({ type: 'timeout', error });
  }

  #failPending(error: PulsarError): void {
    // First what is gathered: as room comes free, who waited for it is taken in, and has not failed.
    const { settles, bytes } = this.#batcher?.drop() ?? { settles: [], bytes: 0 };
    this.#queue.failAll(error);
    failAll(settles, error);
    if (settles.length > 0) this.#options.room.give(settles.length, bytes);
  }

  flush(): Promise<void> {
    const passed = this.#gate.passed();
    return passed === undefined ? this.#flush() : passed.then(() => this.#flush());
  }

  #flush(): Promise<void> {
    this.#batcher?.close();
    return this.#queue.flushed();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#ended !== undefined) {
      this.#state = 'closed';
      return;
    }
    const error = closedError(this.topic);
    const connected = this.#state === 'ready';
    this.#state = 'closing';
    this.#ended = error;
    this.#gate.close(error);
    this.#batcher?.close();
    if (connected) await this.#drained();
    await this.#link.close();
    this.#end('closed', error);
  }

  /** Resolves when nothing is on its way, or it has taken too long. */
  async #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#options.context.operationTimeoutMs);
    // Each message tells its sender what became of it.
    this.#queue.flushed().then(resolve, () => resolve());
    await promise;
    clearTimeout(timer);
  }

  /** Nothing more is taken, and what waits is rejected. */
  #end(state: ProducerState, error: PulsarError): void {
    this.#state = state;
    this.#ended ??= error;
    this.#timeout.stop();
    this.#queue.detach();
    this.#gate.close(error);
    this.#failPending(error);
    this.#emit(state === 'closed' ? { type: 'closed' } : { type: 'failed', error });
  }

  #emit(event: Pick<ProducerEvent, 'type' | 'error' | 'delayMs'>): void {
    this.#options.context.emit({ scope: 'producer', topic: this.topic, name: this.#name, ...event });
  }
}

function closedError(topic: string, cause?: PulsarError): PulsarError {
  return new PulsarError('ALREADY_CLOSED', `the producer on ${topic} is closed`, { cause });
}
