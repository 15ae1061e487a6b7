import type { OutgoingMessage } from '../../broker/port.ts';

/** A message as the log keeps it. Place and time are set when it is committed; the payload then belongs to the log. */
export interface StoredMessage {
  sequence: number;
  publishTimeMs: number;
  payload: Uint8Array;
  readonly key: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly eventTimeMs: number | undefined;
  readonly deliverAtMs: number | undefined;
}

/** Messages of one topic that were committed together. */
export interface Entry {
  /** The sequence number of its first message. */
  readonly first: number;
  /** One past the sequence number of its last message. */
  readonly end: number;
  /** When it was published, in milliseconds since the epoch. Never less than that of the entry before. */
  readonly timeMs: number;
  /** About how much memory it takes. */
  readonly bytes: number;
  readonly messages: readonly StoredMessage[];
}

/** An entry without its messages. */
export type EntryHeader = Pick<Entry, 'first' | 'end' | 'timeMs'>;

export const noProperties: Readonly<Record<string, string>> = Object.freeze({});

/** Takes a message in. The payload is still the caller's until the commit. */
export function toStored(message: OutgoingMessage): StoredMessage {
  return {
    sequence: -1,
    publishTimeMs: 0,
    payload: message.payload,
    key: message.key,
    properties: message.properties === undefined ? noProperties : { ...message.properties },
    eventTimeMs: message.eventTimeMs,
    deliverAtMs: message.deliverAtMs,
  };
}

const perMessage = 120;

/** About how much memory a message takes, in bytes. */
export function sizeOf(message: StoredMessage): number {
  let size = perMessage + message.payload.length + (message.key?.length ?? 0);
  for (const name in message.properties) size += name.length + (message.properties[name] as string).length + 16;
  return size;
}

/** Cuts messages into entries of at most about `maxBytes` and gives each its place. */
export function toEntries(messages: readonly StoredMessage[], first: number, timeMs: number, maxBytes: number): Entry[] {
  const entries: Entry[] = [];
  let from = 0;
  let bytes = 0;
  const cut = (to: number): void => {
    entries.push({
      first: first + from,
      end: first + to,
      timeMs,
      bytes,
      messages: from === 0 && to === messages.length ? messages : messages.slice(from, to),
    });
    from = to;
    bytes = 0;
  };
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i] as StoredMessage;
    message.sequence = first + i;
    message.publishTimeMs = timeMs;
    const size = sizeOf(message);
    if (bytes > 0 && bytes + size > maxBytes) cut(i);
    bytes += size;
  }
  cut(messages.length);
  return entries;
}
