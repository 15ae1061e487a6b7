import type { Codec } from '../compression/codec.ts';
import type { BufferPool } from './buffer-pool.ts';
import { ByteWriter } from './byte-writer.ts';
import type { MessageMetadata } from './message-metadata.ts';
import { checkSize, type EncodeSendOptions, encodeSend, finishSend, type SendFields, writeSendHead } from './send.ts';
import { type SingleMessageMetadata, singleMessageBound, writeSingleMessage } from './single-message.ts';

/** What stands before the messages in a frame is written into this much room, so that nothing has to be moved. */
const HEADROOM = 512;
const FIRST_SIZE = 1024;
const EMPTY = Buffer.alloc(0);

/** Options of {@link BatchBuilder.seal}. */
export interface SealOptions extends Omit<EncodeSendOptions, 'pool'> {
  /** Default: not compressed. */
  readonly codec?: Codec | undefined;
}

/**
 * Gathers messages for one entry, and makes a SEND frame of them. Payloads are copied when they are appended.
 *
 * The frame's buffer comes from the pool: give it back with `pool.give(frame)` once the broker has confirmed it.
 */
export class BatchBuilder {
  readonly #pool: BufferPool;
  readonly #writer: ByteWriter;
  /** Where the payload of the first message starts. */
  #firstPayload = 0;
  #count = 0;
  #sizeHint = FIRST_SIZE;

  constructor(pool: BufferPool) {
    this.#pool = pool;
    this.#writer = new ByteWriter(EMPTY);
  }

  /** Messages in the batch. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the batch before compression. */
  get bytes(): number {
    return this.#count === 0 ? 0 : this.#writer.at - HEADROOM;
  }

  append(metadata: SingleMessageMetadata, payload: Uint8Array): void {
    const writer = this.#writer;
    this.#reserve(singleMessageBound(metadata) + payload.length);
    writeSingleMessage(writer, metadata, payload.length);
    if (this.#count === 0) this.#firstPayload = writer.at;
    writer.raw(payload);
    this.#count += 1;
  }

  #reserve(bytes: number): void {
    const writer = this.#writer;
    if (this.#count === 0) {
      writer.buffer = this.#pool.take(Math.max(this.#sizeHint, HEADROOM + bytes));
      writer.at = HEADROOM;
    } else if (writer.at + bytes > writer.buffer.length) {
      const grown = this.#pool.take(Math.max(writer.buffer.length * 2, writer.at + bytes));
      writer.buffer.copy(grown, HEADROOM, HEADROOM, writer.at);
      this.#pool.give(writer.buffer);
      writer.buffer = grown;
    }
  }

  /**
   * The frame with everything appended so far; afterwards the batch is empty, whether this throws or not.
   *
   * `metadata.numMessagesInBatch` says whether it is a batch: without it, the payload of the only message is sent as a plain
   * message, and `metadata` has to say what was said of that message. Compression and size before it are filled in here.
   * Throws `MESSAGE_TOO_LARGE`.
   */
  seal(send: SendFields, metadata: MessageMetadata, options: SealOptions = {}): Buffer {
    const { buffer, at: end } = this.#writer;
    const start = metadata.numMessagesInBatch === undefined ? this.#firstPayload : HEADROOM;
    if (metadata.numMessagesInBatch === undefined && this.#count !== 1) throw new RangeError(`${this.#count} messages are not one`);
    this.clear(false);
    this.#sizeHint = Math.max(FIRST_SIZE, end);
    const { codec, maxMessageSize } = options;
    if (codec !== undefined && end > start) {
      const compressed = codec.compress(buffer.subarray(start, end));
      const described = { ...metadata, compression: codec.type, uncompressedSize: end - start };
      const frame = encodeSend(send, described, compressed, { pool: this.#pool, maxMessageSize });
      this.#pool.give(buffer);
      return frame;
    }
    const head = writeSendHead(send, metadata, end - start);
    if (maxMessageSize !== undefined) checkSize(head, metadata, end - start, maxMessageSize);
    if (head.at > start) {
      const frame = encodeSend(send, metadata, buffer.subarray(start, end), { pool: this.#pool });
      this.#pool.give(buffer);
      return frame;
    }
    const frameStart = start - head.at;
    head.buffer.copy(buffer, frameStart, 0, head.at);
    return finishSend(buffer, frameStart, end);
  }

  /** Drops what was appended. */
  clear(giveBack = true): void {
    if (giveBack && this.#count > 0) this.#pool.give(this.#writer.buffer);
    this.#writer.buffer = EMPTY;
    this.#writer.at = 0;
    this.#count = 0;
  }
}
