import { PulsarError } from '../errors/pulsar-error.ts';
import { ValidationError } from '../gen/pulsar/wire_pb.ts';
import { ByteReader } from './byte-reader.ts';
import { crc32c } from './crc32c.ts';
import { type ReadMessageMetadata, readMessageMetadata } from './read-message-metadata.ts';

/** What the broker adds to an entry, if it is configured to. */
export interface BrokerEntry {
  /** When the broker took it, in milliseconds since the epoch; -1 if absent. */
  readonly timestamp: number;
  /** Index in the topic; of a batch that of its last message; -1 if absent. */
  readonly index: number;
}

/** An entry as it was read, or why it cannot be used. */
export type ParsedMessage =
  | {
      readonly valid: true;
      readonly metadata: ReadMessageMetadata;
      /** A part of the buffer: compressed, maybe a batch, as the metadata says. */
      readonly payload: Buffer;
      readonly brokerEntry: BrokerEntry | undefined;
    }
  | {
      readonly valid: false;
      /** What to acknowledge the entry with. */
      readonly validationError: ValidationError;
      readonly error: PulsarError;
    };

const BROKER_ENTRY_MAGIC = 0x0e02;
const CHECKSUM_MAGIC = 0x0e01;

/** Reads what follows the command of a MESSAGE frame, and checks the checksum if there is one. Does not throw for any bytes. */
export function parseMessage(headersAndPayload: Buffer): ParsedMessage {
  try {
    return parse(headersAndPayload);
  } catch (error) {
    if (!PulsarError.is(error)) throw error;
    return { valid: false, validationError: ValidationError.CHECKSUM_MISMATCH, error };
  }
}

function parse(buffer: Buffer): ParsedMessage {
  let at = 0;
  let brokerEntry: BrokerEntry | undefined;
  if (magicAt(buffer, at) === BROKER_ENTRY_MAGIC) {
    const end = sized(buffer, at + 2);
    brokerEntry = readBrokerEntry(new ByteReader(buffer, at + 6, end));
    at = end;
  }
  if (magicAt(buffer, at) === CHECKSUM_MAGIC) {
    if (buffer.length < at + 6) throw tooShort(buffer);
    if (buffer.readUInt32BE(at + 2) !== crc32c(buffer, at + 6)) {
      throw new PulsarError('CORRUPT', `the checksum of an entry of ${buffer.length} bytes is wrong`);
    }
    at += 6;
  }
  const end = sized(buffer, at);
  const metadata = readMessageMetadata(new ByteReader(buffer, at + 4, end));
  return { valid: true, metadata, payload: buffer.subarray(end), brokerEntry };
}

function magicAt(buffer: Buffer, at: number): number {
  if (buffer.length < at + 2) throw tooShort(buffer);
  return buffer.readUInt16BE(at);
}

/** Where what has its size at `at` ends. */
function sized(buffer: Buffer, at: number): number {
  if (buffer.length < at + 4) throw tooShort(buffer);
  const end = at + 4 + buffer.readUInt32BE(at);
  if (end > buffer.length) throw tooShort(buffer);
  return end;
}

function tooShort(buffer: Buffer): PulsarError {
  return new PulsarError('CORRUPT', `an entry of ${buffer.length} bytes ends before its payload`);
}

function readBrokerEntry(reader: ByteReader): BrokerEntry {
  let timestamp = -1;
  let index = -1;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === 0x08) timestamp = reader.number();
    else if (tag === 0x10) index = reader.number();
    else reader.skip(tag & 7);
  }
  return { timestamp, index };
}
