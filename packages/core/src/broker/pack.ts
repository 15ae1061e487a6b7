import { PaystreamError } from '../errors/paystream-error.ts';
import type { OutgoingMessage } from './port.ts';

/** A message and where it is to go. */
export interface AddressedMessage {
  readonly topic: string;
  readonly message: OutgoingMessage;
}

const version = 1;
const hasKey = 1;
const hasEventTime = 2;
const hasDeliverAt = 4;

/** Shared by all calls: packing is synchronous, and what it gives is copied out. */
let buffer = Buffer.allocUnsafe(64 * 1024);
const largestKept = 1024 * 1024;

function reserve(used: number, more: number): void {
  if (used + more <= buffer.length) return;
  const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, used + more));
  buffer.copy(larger, 0, 0, used);
  buffer = larger;
}

function writeVarint(at: number, value: number): number {
  reserve(at, 5);
  let position = at;
  let rest = value;
  while (rest > 0x7f) {
    buffer[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[position++] = rest;
  return position;
}

/** A text that was written before costs a number only: topics, property names, keys and trace ids repeat within a chunk. */
function writeText(at: number, text: string, seen: Map<string, number>): number {
  const index = seen.get(text);
  if (index !== undefined) return writeVarint(at, index);
  seen.set(text, seen.size + 1);
  const length = Buffer.byteLength(text);
  const position = writeVarint(writeVarint(at, 0), length);
  reserve(position, length);
  buffer.write(text, position, 'utf8');
  return position + length;
}

function writeTime(at: number, timeMs: number): number {
  reserve(at, 8);
  return buffer.writeDoubleLE(timeMs, at);
}

/**
 * Packs messages into one block of bytes, for a row that holds them all.
 *
 * The form: version; count; then for each message its topic, a byte of flags, key, event time and delivery time where the
 * flags say so, properties (count, names and values), payload. Numbers are varints, times doubles; a text is 0, length and
 * UTF-8, or the number of one that was written before.
 */
export function packMessages(messages: readonly AddressedMessage[]): Uint8Array {
  const seen = new Map<string, number>();
  buffer[0] = version;
  let at = writeVarint(1, messages.length);
  for (const { topic, message } of messages) {
    at = writeText(at, topic, seen);
    const { key, eventTimeMs, deliverAtMs, payload } = message;
    reserve(at, 1);
    buffer[at++] =
      (key === undefined ? 0 : hasKey) | (eventTimeMs === undefined ? 0 : hasEventTime) | (deliverAtMs === undefined ? 0 : hasDeliverAt);
    if (key !== undefined) at = writeText(at, key, seen);
    if (eventTimeMs !== undefined) at = writeTime(at, eventTimeMs);
    if (deliverAtMs !== undefined) at = writeTime(at, deliverAtMs);
    const properties = message.properties ?? {};
    const names = Object.keys(properties);
    at = writeVarint(at, names.length);
    for (const name of names) at = writeText(writeText(at, name, seen), properties[name] ?? '', seen);
    at = writeVarint(at, payload.length);
    reserve(at, payload.length);
    buffer.set(payload, at);
    at += payload.length;
  }
  const packed = new Uint8Array(buffer.subarray(0, at));
  if (buffer.length > largestKept) buffer = Buffer.allocUnsafe(64 * 1024);
  return packed;
}

class Unpacker {
  readonly #bytes: Buffer;
  readonly #texts: string[] = [];
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  #advance(length: number): number {
    const from = this.#at;
    if (from + length > this.#bytes.length) throw damaged(`ends at byte ${this.#bytes.length}, within a message`);
    this.#at = from + length;
    return from;
  }

  byte(): number {
    return this.#bytes[this.#advance(1)] as number;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw damaged('holds a number that is too long');
  }

  text(): string {
    const index = this.varint();
    if (index === 0) {
      const from = this.#advance(this.varint());
      const text = this.#bytes.toString('utf8', from, this.#at);
      this.#texts.push(text);
      return text;
    }
    const text = this.#texts[index - 1];
    if (text === undefined) throw damaged(`refers to text ${index} of ${this.#texts.length}`);
    return text;
  }

  time(): number {
    return this.#bytes.readDoubleLE(this.#advance(8));
  }

  bytes(): Uint8Array {
    const from = this.#advance(this.varint());
    return this.#bytes.subarray(from, this.#at);
  }
}

function damaged(what: string): PaystreamError {
  return new PaystreamError('DATA_LOSS', `a block of packed messages ${what}`, { reason: 'PACKED_MESSAGES_DAMAGED' });
}

/** The messages of a block. Payloads are views of it. Throws `DATA_LOSS` / `PACKED_MESSAGES_DAMAGED` for what {@link packMessages} did not write. */
export function unpackMessages(bytes: Uint8Array): AddressedMessage[] {
  const from = new Unpacker(bytes);
  const found = from.byte();
  if (found !== version) throw damaged(`is of version ${found}, which this program does not know`);
  const count = from.varint();
  const messages: AddressedMessage[] = [];
  for (let index = 0; index < count; index++) {
    const topic = from.text();
    const flags = from.byte();
    const key = flags & hasKey ? from.text() : undefined;
    const eventTimeMs = flags & hasEventTime ? from.time() : undefined;
    const deliverAtMs = flags & hasDeliverAt ? from.time() : undefined;
    const named: [string, string][] = [];
    for (let left = from.varint(); left > 0; left--) named.push([from.text(), from.text()]);
    // Not by assignment, which takes the name `__proto__` for something else.
    const properties = Object.fromEntries(named);
    messages.push({ topic, message: { payload: from.bytes(), key, properties, eventTimeMs, deliverAtMs } });
  }
  if (!from.done) throw damaged('goes on after its last message');
  return messages;
}
