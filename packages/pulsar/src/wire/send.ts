import { PulsarError } from '../errors/pulsar-error.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { ByteWriter } from './byte-writer.ts';
import { crc32c } from './crc32c.ts';
import { FRAME_PADDING } from './frame-decoder.ts';
import { type MessageMetadata, messageMetadataBound, writeMessageMetadata } from './message-metadata.ts';
import { createScratch } from './scratch.ts';

/** Fields of a SEND command. */
export interface SendFields {
  readonly producerId: number;
  /** The lowest sequence id of the entry. */
  readonly sequenceId: number;
  /** The number of messages of a batch; absent for a single message. */
  readonly numMessages?: number | undefined;
  readonly txnLeastBits?: bigint | undefined;
  readonly txnMostBits?: bigint | undefined;
  /** The highest sequence id of a batch; absent for a single message. */
  readonly highestSequenceId?: number | undefined;
  readonly isChunk?: boolean | undefined;
}

/** Options of the encoders of SEND. */
export interface EncodeSendOptions {
  /** Where the frame's buffer comes from. Default: a new one. */
  readonly pool?: BufferPool | undefined;
  /** The broker's limit in bytes; what is larger is refused with `MESSAGE_TOO_LARGE`. Default: none. */
  readonly maxMessageSize?: number | undefined;
}

/** How many bytes stand before the metadata in a SEND frame at most. */
const SEND_PREFIX_BOUND = 8 + 4 + 80 + 10;

const MAGIC = 0x0e01;
const scratchOf = createScratch();

/** How large metadata is in bytes: chunks are as large as it leaves room for. */
export function messageMetadataSize(metadata: MessageMetadata): number {
  const writer = scratchOf(messageMetadataBound(metadata));
  writeMessageMetadata(writer, metadata);
  return writer.at;
}

/**
 * A SEND frame with checksum. The payload is copied: the frame may be kept and sent again.
 *
 * Throws `MESSAGE_TOO_LARGE` if metadata and payload, of a batch the payload alone, are larger than the broker takes.
 */
export function encodeSend(send: SendFields, metadata: MessageMetadata, payload: Uint8Array, options: EncodeSendOptions = {}): Buffer {
  const head = writeSendHead(send, metadata, payload.length);
  if (options.maxMessageSize !== undefined) checkSize(head, metadata, payload.length, options.maxMessageSize);
  const size = head.at + payload.length;
  const frame = options.pool === undefined ? Buffer.allocUnsafe(size) : options.pool.take(size);
  head.buffer.copy(frame, 0, 0, head.at);
  frame.set(payload, head.at);
  return finishSend(frame, 0, size);
}

/** Everything of a SEND frame up to its payload but the checksum, in a buffer that the next call uses again. */
export function writeSendHead(send: SendFields, metadata: MessageMetadata, payloadSize: number): ByteWriter {
  const writer = scratchOf(SEND_PREFIX_BOUND + messageMetadataBound(metadata));
  writer.at = 8;
  writer.byte(0x08);
  writer.byte(0x06);
  writer.byte(0x32);
  const start = writer.begin();
  writeSendFields(writer, send);
  writer.end(start);
  const commandSize = writer.at - 8;
  writer.byte(MAGIC >> 8);
  writer.byte(MAGIC & 0xff);
  writer.at += 8;
  const metadataStart = writer.at;
  writeMessageMetadata(writer, metadata);
  writer.uint32At(metadataStart - 4, writer.at - metadataStart);
  writer.uint32At(0, writer.at - 4 + payloadSize);
  writer.uint32At(4, commandSize);
  return writer;
}

function writeSendFields(writer: ByteWriter, send: SendFields): void {
  writer.byte(0x08);
  writer.varint(send.producerId);
  writer.byte(0x10);
  writer.varint(send.sequenceId);
  if (send.numMessages !== undefined) {
    writer.byte(0x18);
    writer.varint(send.numMessages);
  }
  if (send.txnLeastBits !== undefined) {
    writer.byte(0x20);
    writer.varintBig(send.txnLeastBits);
  }
  if (send.txnMostBits !== undefined) {
    writer.byte(0x28);
    writer.varintBig(send.txnMostBits);
  }
  if (send.highestSequenceId !== undefined) {
    writer.byte(0x30);
    writer.varint(send.highestSequenceId);
  }
  if (send.isChunk !== undefined) {
    writer.byte(0x38);
    writer.byte(send.isChunk ? 1 : 0);
  }
}

/** Throws `MESSAGE_TOO_LARGE` if the broker would not take it: that would close the connection, or worse. */
export function checkSize(head: ByteWriter, metadata: MessageMetadata, payloadSize: number, maxMessageSize: number): void {
  const batch = (metadata.numMessagesInBatch ?? 1) > 1;
  const size = batch ? payloadSize : payloadSize + metadataSizeOf(head.buffer, 0);
  if (size > maxMessageSize || head.at + payloadSize - 4 > maxMessageSize + FRAME_PADDING) {
    throw new PulsarError(
      'MESSAGE_TOO_LARGE',
      `a ${batch ? 'batch' : 'message'} of ${size} bytes, ${head.at + payloadSize} with all that is sent, is larger than the ${maxMessageSize} that the broker takes`,
      { command: 'SEND' },
    );
  }
}

function metadataSizeOf(frame: Buffer, start: number): number {
  return frame.readUInt32BE(checksumAt(frame, start) + 4);
}

function checksumAt(frame: Buffer, start: number): number {
  return start + 8 + frame.readUInt32BE(start + 4) + 2;
}

/** Puts the checksum into a frame that is complete but for it. */
export function finishSend(buffer: Buffer, start: number, end: number): Buffer {
  const at = checksumAt(buffer, start);
  buffer.writeUInt32BE(crc32c(buffer, at + 4, end), at);
  return start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end);
}

/** Whether a SEND frame is still what its checksum says: what a broker's ChecksumError leaves open. */
export function isSendIntact(frame: Buffer): boolean {
  const at = checksumAt(frame, 0);
  return frame.readUInt32BE(at) === crc32c(frame, at + 4);
}
