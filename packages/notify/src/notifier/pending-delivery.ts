import { createHash } from 'node:crypto';
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
}

/** Makes the id of a delivery: the same for the same event, channel and recipient, so that the table holds each once. */
export type DeliveryIds = (eventId: string, channel: string, recipient: string) => string;

const mostRemembered = 10_000;

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
    return `${eventId}:${channel}:${digest}`;
  };
}
