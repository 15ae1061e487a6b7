import { Buffer } from 'node:buffer';
import { PaystreamError } from '../../errors/paystream-error.ts';
import { type Entry, noProperties, type StoredMessage, sizeOf } from './entry.ts';

/*
 * An entry, packed: a version byte, then its messages one after the other. A message is a byte of flags, what the flags
 * announce (key; properties as a count and pairs; event time and delivery time as doubles), then the payload. Strings and
 * the payload have their length in bytes before them, as a base-128 number, low bits first.
 */
const version = 1;
const hasKey = 1;
const hasProperties = 2;
const hasEventTime = 4;
const hasDeliveryTime = 8;

const keptScratch = 4 << 20;
let scratch = Buffer.allocUnsafe(64 << 10);
let at = 0;

function reserve(bytes: number): void {
  if (at + bytes <= scratch.length) return;
  const larger = Buffer.allocUnsafe(Math.max(at + bytes, scratch.length * 2));
  scratch.copy(larger, 0, 0, at);
  scratch = larger;
}

function writeLength(value: number): void {
  let left = value;
  while (left >= 0x80) {
    scratch[at++] = (left % 0x80) | 0x80;
    left = Math.floor(left / 0x80);
  }
  scratch[at++] = left;
}

function lengthBytes(value: number): number {
  let bytes = 1;
  for (let left = value; left >= 0x80; left = Math.floor(left / 0x80)) bytes += 1;
  return bytes;
}

function writeString(text: string): void {
  reserve(text.length * 3 + 5);
  // Written where it stands if its length takes one byte, as nearly always; otherwise moved to make room for the length.
  const start = at + 1;
  const length = scratch.write(text, start);
  if (length >= 0x80) scratch.copyWithin(at + lengthBytes(length), start, start + length);
  writeLength(length);
  at += length;
}

function writeMessage(message: StoredMessage): number {
  const { key, properties, eventTimeMs, deliverAtMs, payload } = message;
  const flags =
    (key === undefined ? 0 : hasKey) |
    (properties === noProperties ? 0 : hasProperties) |
    (eventTimeMs === undefined ? 0 : hasEventTime) |
    (deliverAtMs === undefined ? 0 : hasDeliveryTime);
  reserve(32 + payload.length);
  scratch[at++] = flags;
  if (key !== undefined) writeString(key);
  if (properties !== noProperties) {
    const names = Object.keys(properties);
    reserve(8);
    writeLength(names.length);
    for (const name of names) {
      writeString(name);
      writeString(properties[name] as string);
    }
  }
  reserve(24 + payload.length);
  if (eventTimeMs !== undefined) at = scratch.writeDoubleLE(eventTimeMs, at);
  if (deliverAtMs !== undefined) at = scratch.writeDoubleLE(deliverAtMs, at);
  writeLength(payload.length);
  const offset = at;
  scratch.set(payload, at);
  at += payload.length;
  return offset;
}

/** Packs the messages of an entry, and points their payloads into the result. */
export function packEntry(entry: Entry): Uint8Array {
  at = 0;
  reserve(1);
  scratch[at++] = version;
  const offsets = entry.messages.map(writeMessage);
  const packed = new Uint8Array(at);
  packed.set(scratch.subarray(0, at));
  entry.messages.forEach((message, index) => {
    const offset = offsets[index] as number;
    message.payload = packed.subarray(offset, offset + message.payload.length);
  });
  if (scratch.length > keptScratch) scratch = Buffer.allocUnsafe(64 << 10);
  return packed;
}

/** Unpacks what `packEntry` made. Throws `DATA_LOSS` if it is damaged. */
export function unpackEntry(first: number, count: number, timeMs: number, packed: Uint8Array): Entry {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.length);
  let position = 1;
  const damaged = (cause?: unknown): PaystreamError =>
    new PaystreamError('DATA_LOSS', `the entry of messages ${first} to ${first + count - 1} is damaged: restore the file from a backup`, {
      reason: 'ENTRY_DAMAGED',
      cause,
    });
  const readLength = (): number => {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = bytes[position++];
      if (byte === undefined || factor > 2 ** 42) throw damaged();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
  };
  const skip = (length: number): number => {
    const start = position;
    position += length;
    if (position > bytes.length) throw damaged();
    return start;
  };
  const readString = (): string => {
    const length = readLength();
    const start = skip(length);
    return bytes.toString('utf8', start, start + length);
  };
  const readProperties = (): Readonly<Record<string, string>> => {
    const entries: [string, string][] = [];
    for (let left = readLength(); left > 0; left--) entries.push([readString(), readString()]);
    return Object.fromEntries(entries);
  };

  if (bytes[0] !== version) throw damaged();
  const messages: StoredMessage[] = [];
  let size = 0;
  for (let i = 0; i < count; i++) {
    const flags = bytes[skip(1)] as number;
    const key = flags & hasKey ? readString() : undefined;
    const properties = flags & hasProperties ? readProperties() : noProperties;
    const eventTimeMs = flags & hasEventTime ? bytes.readDoubleLE(skip(8)) : undefined;
    const deliverAtMs = flags & hasDeliveryTime ? bytes.readDoubleLE(skip(8)) : undefined;
    const length = readLength();
    const start = skip(length);
    const payload = packed.subarray(start, start + length);
    const message: StoredMessage = { sequence: first + i, publishTimeMs: timeMs, payload, key, properties, eventTimeMs, deliverAtMs };
    size += sizeOf(message);
    messages.push(message);
  }
  if (position !== bytes.length) throw damaged();
  return { first, end: first + count, timeMs, bytes: size, messages };
}
