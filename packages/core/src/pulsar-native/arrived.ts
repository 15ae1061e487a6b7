import type { Message } from 'pulsar-client';
import type { MessageId } from '../broker/port.ts';
import type { Content } from '../pulsar-adapter/received.ts';
import { type Place, placeOf, textOf } from './message-ids.ts';

/** A message of the addon, read once: each look at one is a call into native code. */
export interface Arrived extends Content {
  readonly message: Message;
  readonly place: Place;
  readonly id: MessageId;
  readonly redeliveries: number;
}

/**
 * The addon sets properties on an array: one that is named `length` and holds no number makes it throw. Such a message, which
 * came from elsewhere, arrives without properties.
 */
function propertiesOf(message: Message): Readonly<Record<string, string>> {
  try {
    return { ...message.getProperties() };
  } catch {
    return {};
  }
}

/** Reads a message. */
export function arrived(message: Message): Arrived {
  const place = placeOf(message.getMessageId());
  const key = message.getPartitionKey();
  const eventTimeMs = message.getEventTimestamp();
  return {
    message,
    place,
    id: textOf(place),
    redeliveries: message.getRedeliveryCount(),
    payload: message.getData(),
    key: key === '' ? undefined : key,
    properties: propertiesOf(message),
    eventTimeMs: eventTimeMs === 0 ? undefined : eventTimeMs,
    publishTimeMs: message.getPublishTimestamp(),
  };
}
