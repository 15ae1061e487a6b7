import { toBinary } from '@bufbuild/protobuf';
import { PulsarError } from '../errors/pulsar-error.ts';
import { type BaseCommand, BaseCommandSchema } from '../gen/pulsar/wire_pb.ts';
import { type ByteWriter, VARINT_MAX } from './byte-writer.ts';
import { createScratch } from './scratch.ts';

/** The frame of PING. Shared: not to be changed. */
export const PING_FRAME: Buffer = Buffer.from('00000009000000050812920100', 'hex');
/** The frame of PONG. Shared: not to be changed. */
export const PONG_FRAME: Buffer = Buffer.from('000000090000000508139a0100', 'hex');

/** A frame of any command without payload. */
export function encodeCommand(command: BaseCommand): Buffer {
  const body = toBinary(BaseCommandSchema, command);
  const frame = Buffer.allocUnsafe(8 + body.length);
  frame.writeUInt32BE(body.length + 4, 0);
  frame.writeUInt32BE(body.length, 4);
  frame.set(body, 8);
  return frame;
}

/** A place in a topic as commands name it. */
export interface WirePosition {
  readonly ledgerId: bigint;
  readonly entryId: bigint;
  /** -1 or absent: not sent. */
  readonly partition?: number | undefined;
  /** -1 or absent: not sent. */
  readonly batchIndex?: number | undefined;
  /** Words of the batch indexes that are left, lowest first; empty or absent: the whole entry. */
  readonly ackSet?: readonly bigint[] | undefined;
  /** 0 or absent: not sent. */
  readonly batchSize?: number | undefined;
}

/** What an ACK says. */
export interface AckFields {
  readonly consumerId: number;
  readonly type: 'individual' | 'cumulative';
  /** At least one; of a cumulative one exactly one. */
  readonly positions: readonly WirePosition[];
  /** Why the entries cannot be consumed: a number of `ValidationError`. */
  readonly validationError?: number | undefined;
  readonly txnLeastBits?: bigint | undefined;
  readonly txnMostBits?: bigint | undefined;
  /** Given: the broker answers. */
  readonly requestId?: bigint | undefined;
}

/** An ACK frame. */
export function encodeAck(ack: AckFields): Buffer {
  const { positions } = ack;
  if (positions.length === 0 || (ack.type === 'cumulative' && positions.length > 1)) {
    throw new PulsarError('INVALID_ARGUMENT', `a ${ack.type} acknowledgement of ${positions.length} positions`, { command: 'ACK' });
  }
  const writer = begin(positionsBound(positions) + 6 * (VARINT_MAX + 1));
  writer.byte(0x08);
  writer.byte(0x0a);
  writer.byte(0x52);
  const body = writer.begin();
  writer.byte(0x08);
  writer.varint(ack.consumerId);
  writer.byte(0x10);
  writer.byte(ack.type === 'individual' ? 0 : 1);
  for (const position of positions) writePosition(writer, 0x1a, position);
  if (ack.validationError !== undefined) {
    writer.byte(0x20);
    writer.varint(ack.validationError);
  }
  if (ack.txnLeastBits !== undefined) {
    writer.byte(0x30);
    writer.varintBig(ack.txnLeastBits);
  }
  if (ack.txnMostBits !== undefined) {
    writer.byte(0x38);
    writer.varintBig(ack.txnMostBits);
  }
  if (ack.requestId !== undefined) {
    writer.byte(0x40);
    writer.varintBig(ack.requestId);
  }
  writer.end(body);
  return finish(writer);
}

/** A FLOW frame. Throws `INVALID_ARGUMENT` for permits below 1: the broker would close the connection. */
export function encodeFlow(consumerId: number, permits: number): Buffer {
  if (!(permits >= 1 && permits <= 0xffff_ffff)) {
    throw new PulsarError('INVALID_ARGUMENT', `${permits} permits cannot be given`, { command: 'FLOW' });
  }
  const writer = begin(40);
  writer.byte(0x08);
  writer.byte(0x0b);
  writer.byte(0x5a);
  const body = writer.begin();
  writer.byte(0x08);
  writer.varint(consumerId);
  writer.byte(0x10);
  writer.varint(permits);
  writer.end(body);
  return finish(writer);
}

/** A frame that asks for some entries again. Throws `INVALID_ARGUMENT` for none: that would ask for all. */
export function encodeRedeliver(consumerId: number, positions: readonly WirePosition[]): Buffer {
  if (positions.length === 0) {
    throw new PulsarError('INVALID_ARGUMENT', 'no positions to deliver again', { command: 'REDELIVER_UNACKNOWLEDGED_MESSAGES' });
  }
  return redeliver(consumerId, positions, undefined);
}

/** A frame that asks for everything that is not acknowledged again; from then on messages carry the epoch, if one is given. */
export function encodeRedeliverAll(consumerId: number, consumerEpoch?: number): Buffer {
  return redeliver(consumerId, [], consumerEpoch);
}

function redeliver(consumerId: number, positions: readonly WirePosition[], consumerEpoch: number | undefined): Buffer {
  const writer = begin(positionsBound(positions) + 2 * (VARINT_MAX + 1));
  writer.byte(0x08);
  writer.byte(0x14);
  writer.byte(0xa2);
  writer.byte(0x01);
  const body = writer.begin();
  writer.byte(0x08);
  writer.varint(consumerId);
  for (const position of positions) writePosition(writer, 0x12, position);
  if (consumerEpoch !== undefined) {
    writer.byte(0x18);
    writer.varint(consumerEpoch);
  }
  writer.end(body);
  return finish(writer);
}

function positionsBound(positions: readonly WirePosition[]): number {
  let bound = 0;
  for (const { ackSet } of positions) bound += 6 + (5 + (ackSet?.length ?? 0)) * (VARINT_MAX + 1);
  return bound;
}

function writePosition(writer: ByteWriter, tag: number, position: WirePosition): void {
  writer.byte(tag);
  const start = writer.begin();
  writer.byte(0x08);
  writer.varintBig(position.ledgerId);
  writer.byte(0x10);
  writer.varintBig(position.entryId);
  if (position.partition !== undefined && position.partition >= 0) {
    writer.byte(0x18);
    writer.varint(position.partition);
  }
  if (position.batchIndex !== undefined && position.batchIndex >= 0) {
    writer.byte(0x20);
    writer.varint(position.batchIndex);
  }
  if (position.ackSet !== undefined) {
    for (const word of position.ackSet) {
      writer.byte(0x28);
      writer.varintBig(word);
    }
  }
  if (position.batchSize !== undefined && position.batchSize > 0) {
    writer.byte(0x30);
    writer.varint(position.batchSize);
  }
  writer.end(start);
}

const scratchOf = createScratch();

/** A writer with room for the two sizes, the start of the command, and so many bytes. */
function begin(bytes: number): ByteWriter {
  const writer = scratchOf(8 + 16 + bytes);
  writer.at = 8;
  return writer;
}

function finish(writer: ByteWriter): Buffer {
  writer.uint32At(0, writer.at - 4);
  writer.uint32At(4, writer.at - 8);
  const frame = Buffer.allocUnsafe(writer.at);
  writer.buffer.copy(frame, 0, 0, writer.at);
  return frame;
}
