import { decompress } from '../compression/codecs.ts';
import type { MessageFrame } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { ValidationError } from '../gen/pulsar/wire_pb.ts';
import { type ChunkPosition, Entry } from '../message/entry.ts';
import { type MessageSource, ReceivedMessage } from '../message/message.ts';
import { BatchReader } from '../wire/batch-reader.ts';
import { type BrokerEntry, parseMessage } from '../wire/parse-message.ts';
import type { ReadMessageMetadata } from '../wire/read-message-metadata.ts';
import type { ChunkStore } from './chunks.ts';
import { isBeforeStart, type StartPosition } from './start-filter.ts';

/** What compressed bytes may become at most: more than that is taken for corruption. */
const MAX_UNCOMPRESSED = 256 * 1024 * 1024;

/** What the intake asks and tells its consumer. */
export interface IntakeHooks<T> {
  readonly source: MessageSource<T>;
  readonly chunks: ChunkStore;
  /** Messages of an entry, to be queued. */
  deliver(entry: Entry<MessageSource<T>>, messages: ReceivedMessage<T>[]): void;
  /** The broker has sent so many messages, as it counts. */
  onCharged(messages: number): void;
  /** So many messages that the broker has counted are not delivered. */
  giveBack(permits: number): void;
  isDuplicate(ledger: number, entry: number, batchIndex: number): boolean;
  /** The entry was read in vain: to be acknowledged with the reason. */
  onCorrupt(position: ChunkPosition, validationError: ValidationError, error: PulsarError): void;
  /** Messages of the entry lie before the start or are compacted away, and count as acknowledged. */
  onSkipped(entry: Entry<MessageSource<T>>): void;
  /** The entry cannot be used here, though it is sound. */
  onUnusable(error: PulsarError): void;
}

/** What decides about the frames of one session. */
export interface IntakeState {
  readonly session: number;
  /** Whether everything is dropped: it comes again. */
  readonly drop: boolean;
  /** Messages of an older epoch are dropped. */
  readonly epoch: number;
  readonly start: StartPosition | undefined;
  /** Entries published before are dropped, in milliseconds since the epoch. */
  readonly sinceMs: number;
  readonly maxMessageSize: number;
}

/** Makes messages of MESSAGE frames, and drops what is not to be seen; permits come back exactly as the broker took them. */
export class Intake<T> {
  readonly #hooks: IntakeHooks<T>;

  constructor(hooks: IntakeHooks<T>) {
    this.#hooks = hooks;
  }

  onFrame(frame: MessageFrame, state: IntakeState): void {
    const hooks = this.#hooks;
    const parsed = parseMessage(frame.headersAndPayload);
    if (!parsed.valid) {
      const charged = chargedDespiteChecksum(frame);
      hooks.onCharged(charged);
      hooks.onCorrupt(frame, parsed.validationError, parsed.error);
      hooks.giveBack(charged);
      return;
    }
    const { metadata, payload, brokerEntry } = parsed;
    const charged = chargeOf(metadata, frame.ackSet);
    hooks.onCharged(charged);
    const stale = state.drop || (frame.consumerEpoch >= 0 && frame.consumerEpoch < state.epoch);
    if (stale || metadata.publishTime < state.sinceMs) {
      hooks.giveBack(charged);
      return;
    }
    if (metadata.encryptionKeys.length > 0) {
      hooks.onUnusable(new PulsarError('UNSUPPORTED', `message ${frame.ledgerId}:${frame.entryId} is encrypted end to end`));
      hooks.giveBack(charged);
      return;
    }
    if (metadata.uuid !== undefined && (metadata.numChunksFromMessage ?? 0) > 1) {
      this.#onChunk(frame, metadata, payload, brokerEntry, state);
      return;
    }
    if (payload.length > state.maxMessageSize) {
      const error = new PulsarError('CORRUPT', `${payload.length} bytes of payload where at most ${state.maxMessageSize} are allowed`);
      hooks.onCorrupt(frame, ValidationError.UNCOMPRESSED_SIZE_CORRUPTION, error);
      hooks.giveBack(charged);
      return;
    }
    const content = this.#decompress(frame, metadata, payload, charged);
    if (content === undefined) return;
    if (metadata.numMessagesInBatch === undefined) this.#onPlain(frame, metadata, content, brokerEntry, state, undefined);
    else this.#onBatch(frame, metadata, content, brokerEntry, state, charged);
  }

  #decompress(frame: MessageFrame, metadata: ReadMessageMetadata, payload: Buffer, charged: number): Buffer | undefined {
    try {
      return decompress(metadata.compression, payload, metadata.uncompressedSize ?? 0, MAX_UNCOMPRESSED);
    } catch (error) {
      if (!PulsarError.is(error)) throw error;
      this.#hooks.onCorrupt(frame, ValidationError.DECOMPRESSION_ERROR, error);
      this.#hooks.giveBack(charged);
      return undefined;
    }
  }

  #onChunk(
    frame: MessageFrame,
    metadata: ReadMessageMetadata,
    payload: Buffer,
    brokerEntry: BrokerEntry | undefined,
    state: IntakeState,
  ): void {
    const assembled = this.#hooks.chunks.add({
      uuid: metadata.uuid ?? '',
      chunkId: metadata.chunkId ?? 0,
      count: metadata.numChunksFromMessage ?? 0,
      totalSize: metadata.totalChunkMessageSize ?? 0,
      publishTimeMs: metadata.publishTime,
      position: { ledgerId: frame.ledgerId, entryId: frame.entryId },
      payload,
    });
    if (assembled === undefined) {
      this.#hooks.giveBack(1);
      return;
    }
    const content = this.#decompress(frame, metadata, assembled.payload, 1);
    if (content === undefined) {
      for (const position of assembled.positions.slice(0, -1)) {
        const error = new PulsarError('CORRUPT', 'a chunk of a message that cannot be decompressed');
        this.#hooks.onCorrupt(position, ValidationError.DECOMPRESSION_ERROR, error);
      }
      return;
    }
    this.#onPlain(frame, metadata, content, brokerEntry, state, assembled.positions);
  }

  #entry(
    frame: MessageFrame,
    metadata: ReadMessageMetadata,
    brokerEntry: BrokerEntry | undefined,
    state: IntakeState,
    chunks: readonly ChunkPosition[] | undefined,
  ): Entry<MessageSource<T>> {
    return new Entry({
      source: this.#hooks.source,
      session: state.session,
      ledgerId: frame.ledgerId,
      entryId: frame.entryId,
      metadata,
      brokerEntry,
      redeliveryCount: frame.redeliveryCount,
      batchSize: metadata.numMessagesInBatch ?? 0,
      ackSet: frame.ackSet,
      chunks,
    });
  }

  #onPlain(
    frame: MessageFrame,
    metadata: ReadMessageMetadata,
    content: Buffer,
    brokerEntry: BrokerEntry | undefined,
    state: IntakeState,
    chunks: readonly ChunkPosition[] | undefined,
  ): void {
    const hooks = this.#hooks;
    const entry = this.#entry(frame, metadata, brokerEntry, state, chunks);
    if (hooks.isDuplicate(entry.ledger, entry.entry, -1)) {
      hooks.giveBack(1);
      return;
    }
    if (state.start !== undefined && isBeforeStart(state.start, frame.ledgerId, frame.entryId, -1)) {
      hooks.giveBack(1);
      entry.acknowledge(-1);
      hooks.onSkipped(entry);
      return;
    }
    const message = new ReceivedMessage<T>(entry, {
      batchIndex: -1,
      buffer: content,
      metadataStart: 0,
      payloadStart: 0,
      payloadEnd: content.length,
      sequenceId: metadata.sequenceId,
      eventTime: metadata.eventTime ?? 0,
      isNull: metadata.nullValue === true,
      keyIsBase64: metadata.partitionKeyB64Encoded === true,
    });
    hooks.deliver(entry, [message]);
  }

  #onBatch(
    frame: MessageFrame,
    metadata: ReadMessageMetadata,
    content: Buffer,
    brokerEntry: BrokerEntry | undefined,
    state: IntakeState,
    charged: number,
  ): void {
    const hooks = this.#hooks;
    const entry = this.#entry(frame, metadata, brokerEntry, state, undefined);
    const messages: ReceivedMessage<T>[] = [];
    let dropped: number;
    let skipped = false;
    try {
      dropped = this.#split(entry, content, frame, state, messages, () => {
        skipped = true;
      });
    } catch (error) {
      if (!PulsarError.is(error)) throw error;
      hooks.onCorrupt(frame, ValidationError.BATCH_DE_SERIALIZE_ERROR, error);
      hooks.giveBack(charged);
      return;
    }
    if (dropped > 0) hooks.giveBack(dropped);
    if (skipped) hooks.onSkipped(entry);
    if (messages.length > 0) hooks.deliver(entry, messages);
  }

  /** Makes the messages of a batch that are to be seen. Returns how many are not, though the broker counted them. */
  #split(
    entry: Entry<MessageSource<T>>,
    content: Buffer,
    frame: MessageFrame,
    { start }: IntakeState,
    messages: ReceivedMessage<T>[],
    onSkip: () => void,
  ): number {
    const partial = frame.ackSet.length > 0;
    const reader = new BatchReader(content, entry.batchSize);
    let dropped = 0;
    let metadataStart = 4;
    for (; reader.next(); metadataStart = reader.payloadEnd + 4) {
      const { index } = reader;
      if (partial && !entry.left.has(index)) continue;
      if (reader.compactedOut || (start !== undefined && isBeforeStart(start, frame.ledgerId, frame.entryId, index))) {
        entry.acknowledge(index);
        onSkip();
        dropped += 1;
      } else if (this.#hooks.isDuplicate(entry.ledger, entry.entry, index)) {
        entry.acknowledge(index);
        dropped += 1;
      } else {
        messages.push(
          new ReceivedMessage<T>(entry, {
            batchIndex: index,
            buffer: content,
            metadataStart,
            payloadStart: reader.payloadStart,
            payloadEnd: reader.payloadEnd,
            sequenceId: reader.sequenceId >= 0 ? reader.sequenceId : entry.metadata.sequenceId + index,
            eventTime: reader.eventTime,
            isNull: reader.nullValue,
            keyIsBase64: reader.partitionKeyB64Encoded,
          }),
        );
      }
    }
    return dropped;
  }
}

/** How many permits the broker took for an entry: one for each message that is not acknowledged. */
function chargeOf(metadata: ReadMessageMetadata, ackSet: readonly bigint[]): number {
  const size = metadata.numMessagesInBatch ?? 1;
  if (ackSet.length === 0) return size;
  let left = 0;
  for (const [at, word] of ackSet.entries()) {
    let rest = BigInt.asUintN(64, word);
    for (let bit = at * 64; rest !== 0n && bit < size; bit++) {
      if ((rest & 1n) === 1n) left += 1;
      rest >>= 1n;
    }
  }
  return left;
}

/** The same for an entry with a wrong checksum, whose metadata may still be sound: the broker counts by it. */
function chargedDespiteChecksum(frame: MessageFrame): number {
  const { headersAndPayload } = frame;
  if (headersAndPayload.length < 6 || headersAndPayload.readUInt16BE(0) !== 0x0e01) return 1;
  const parsed = parseMessage(headersAndPayload.subarray(6));
  return parsed.valid ? Math.max(1, chargeOf(parsed.metadata, frame.ackSet)) : 1;
}
