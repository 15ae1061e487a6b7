import { fromBinary } from '@bufbuild/protobuf';
import type { MessageFrame, SendReceipt } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { type BaseCommand, BaseCommand_Type, BaseCommandSchema } from '../gen/pulsar/wire_pb.ts';
import { ByteReader, malformed, WireType } from './byte-reader.ts';

/** Who takes the commands of a broker. */
export interface CommandSink {
  onReceipt(receipt: SendReceipt): void;
  onMessage(consumerId: number, frame: MessageFrame): void;
  onPing(): void;
  onPong(): void;
  /** Any other command that this client knows. */
  onCommand(command: BaseCommand): void;
  /** A command that this client does not know: to be noted and ignored. */
  onUnknown(type: number): void;
}

const known: ReadonlySet<number> = new Set(Object.values(BaseCommand_Type));

/**
 * Decodes a frame of a {@link FrameDecoder} and hands the command out. Throws `PROTOCOL` if it is malformed. What the sink
 * throws goes through.
 */
export function decodeCommand(buffer: Buffer, start: number, end: number, sink: CommandSink): void {
  const commandStart = start + 4;
  const commandEnd = commandStart + buffer.readUInt32BE(start);
  let decoded: Decoded;
  try {
    decoded = decode(buffer, commandStart, commandEnd, end);
  } catch (error) {
    throw new PulsarError('PROTOCOL', 'the broker sent a malformed command', { cause: error });
  }
  switch (decoded.type) {
    case BaseCommand_Type.MESSAGE:
      sink.onMessage(decoded.consumerId, decoded.frame);
      return;
    case BaseCommand_Type.SEND_RECEIPT:
      sink.onReceipt(decoded.receipt);
      return;
    case BaseCommand_Type.PING:
      sink.onPing();
      return;
    case BaseCommand_Type.PONG:
      sink.onPong();
      return;
    case 0:
      sink.onCommand(decoded.command);
      return;
    default:
      sink.onUnknown(decoded.unknown);
  }
}

type Decoded =
  | { readonly type: typeof BaseCommand_Type.MESSAGE; readonly consumerId: number; readonly frame: MessageFrame }
  | { readonly type: typeof BaseCommand_Type.SEND_RECEIPT; readonly receipt: SendReceipt }
  | { readonly type: typeof BaseCommand_Type.PING }
  | { readonly type: typeof BaseCommand_Type.PONG }
  | { readonly type: 0; readonly command: BaseCommand }
  | { readonly type: -1; readonly unknown: number };

const PING: Decoded = { type: BaseCommand_Type.PING };
const PONG: Decoded = { type: BaseCommand_Type.PONG };
const reader = new ByteReader(Buffer.alloc(0));

function decode(buffer: Buffer, start: number, end: number, frameEnd: number): Decoded {
  reader.reset(buffer, start, end);
  let type = -1;
  let field = 0;
  let bodyStart = 0;
  let bodyEnd = 0;
  while (reader.at < end) {
    const tag = reader.uint32();
    if (tag === 0x08) type = reader.uint32();
    else if ((tag & 7) === WireType.BYTES) {
      field = tag >>> 3;
      bodyEnd = reader.length();
      bodyStart = reader.at;
      reader.at = bodyEnd;
    } else reader.skip(tag & 7);
  }
  switch (type) {
    case BaseCommand_Type.MESSAGE:
      if (field !== type) throw malformed('MESSAGE without its body');
      return decodeMessage(reader.reset(buffer, bodyStart, bodyEnd), end, frameEnd);
    case BaseCommand_Type.SEND_RECEIPT:
      if (field !== type) throw malformed('SEND_RECEIPT without its body');
      return decodeReceipt(reader.reset(buffer, bodyStart, bodyEnd));
    case BaseCommand_Type.PING:
      return PING;
    case BaseCommand_Type.PONG:
      return PONG;
    case -1:
      throw malformed('a command without type');
    default:
      if (!known.has(type)) return { type: -1, unknown: type };
      if (field !== type) throw malformed(`command ${type} without its body`);
      return { type: 0, command: fromBinary(BaseCommandSchema, buffer.subarray(start, end)) };
  }
}

/** Numbers of a MessageIdData that was just read. */
const id = { ledgerId: -1n, entryId: -1n, partition: -1 };

function readMessageId(): void {
  const outer = reader.end;
  reader.end = reader.length();
  id.ledgerId = -1n;
  id.entryId = -1n;
  id.partition = -1;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === 0x08) id.ledgerId = reader.bigint();
    else if (tag === 0x10) id.entryId = reader.bigint();
    else if (tag === 0x18) id.partition = reader.int32();
    else reader.skip(tag & 7);
  }
  reader.end = outer;
}

function decodeReceipt(body: ByteReader): Decoded {
  let producerId = -1;
  let sequenceId: number | undefined;
  let highestSequenceId = 0;
  id.ledgerId = -1n;
  id.entryId = -1n;
  const { end } = body;
  while (body.at < end) {
    const tag = body.uint32();
    if (tag === 0x08) producerId = body.number();
    else if (tag === 0x10) sequenceId = body.number();
    else if (tag === 0x1a) readMessageId();
    else if (tag === 0x20) highestSequenceId = body.number();
    else body.skip(tag & 7);
  }
  if (producerId < 0 || sequenceId === undefined) throw malformed('SEND_RECEIPT without producer or sequence id');
  const { ledgerId, entryId } = id;
  return { type: BaseCommand_Type.SEND_RECEIPT, receipt: { producerId, sequenceId, highestSequenceId, ledgerId, entryId } };
}

const all: readonly bigint[] = Object.freeze([]);

function decodeMessage(body: ByteReader, commandEnd: number, frameEnd: number): Decoded {
  let consumerId = -1;
  let redeliveryCount = 0;
  let consumerEpoch = -1;
  let ackSet: bigint[] | undefined;
  let hasId = false;
  const { buffer, end } = body;
  while (body.at < end) {
    const tag = body.uint32();
    switch (tag) {
      case 0x08:
        consumerId = body.number();
        break;
      case 0x12:
        readMessageId();
        hasId = true;
        break;
      case 0x18:
        redeliveryCount = body.uint32();
        break;
      case 0x20:
        ackSet ??= [];
        ackSet.push(body.bigint());
        break;
      case 0x22:
        ackSet ??= [];
        for (const until = body.length(); body.at < until; ) ackSet.push(body.bigint());
        break;
      case 0x28:
        consumerEpoch = body.number();
        break;
      default:
        body.skip(tag & 7);
    }
  }
  if (consumerId < 0 || !hasId) throw malformed('MESSAGE without consumer or message id');
  const { ledgerId, entryId, partition } = id;
  const headersAndPayload = buffer.subarray(commandEnd, frameEnd);
  const frame = { ledgerId, entryId, partition, redeliveryCount, ackSet: ackSet ?? all, consumerEpoch, headersAndPayload };
  return { type: BaseCommand_Type.MESSAGE, consumerId, frame };
}
