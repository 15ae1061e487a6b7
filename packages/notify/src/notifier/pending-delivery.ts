import { createHash } from 'node:crypto';
import type { TraceContext } from '@paystream/core';
import type { ChannelMessage } from '../channel/port.ts';

/** A delivery that this instance has taken on. */
export interface PendingDelivery {
  readonly message: ChannelMessage;
  /** What happens if it is not known whether it was sent: nothing more, or another try. */
  readonly atMostOnce: boolean;
  /** How many times it was tried before. */
  readonly tries: number;
  /** When it was stored, in milliseconds since the epoch. */
  readonly createdAtMs: number;
  /** The event's trace. */
  readonly trace?: TraceContext | undefined;
  /** Whether it was read from the table, where it may have waited for long: then its try begins a trace, which is linked with the event's. Default: false. */
  readonly resumed?: boolean | undefined;
}

/** Makes the id of a delivery: the same for the same event, channel and recipient, so that the table holds each once. */
export type DeliveryIds = (eventId: string, channel: string, recipient: string) => string;

const mostRemembered = 10_000;
const longestEventId = 255;
const keptOfEventId = 200;

/** What the ids of an event's deliveries begin with: the event's id, a long one cut and with a digest of the whole, for an id is a key. */
export function eventPart(eventId: string): string {
  if (eventId.length <= longestEventId) return eventId;
  return `${eventId.slice(0, keptOfEventId).toWellFormed()}…${createHash('sha256').update(eventId).digest('base64url')}`;
}

/** The recipient goes into the id as a digest, so that ids may be logged and sent along. */
export function createDeliveryIds(): DeliveryIds {
  const digests = new Map<string, string>();
  return (eventId, channel, recipient) => {
    let digest = digests.get(recipient);
    if (digest === undefined) {
      digest = createHash('sha256').update(recipient).digest('base64url').slice(0, 12);
      if (digests.size >= mostRemembered) digests.clear();
      digests.set(recipient, digest);
    }
    return `${eventPart(eventId)}:${channel}:${digest}`;
  };
}
