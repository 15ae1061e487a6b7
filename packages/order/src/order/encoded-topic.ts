import { PaystreamError, type Topic } from '@paystream/core';

/** An event that is encoded already. */
export interface EncodedEvent {
  readonly key: string;
  readonly bytes: Uint8Array;
}

/** The same topic for events whose bytes are at hand. Throws `UNSUPPORTED` for a topic that does not hold protobuf. */
export function encodedTopic<T>(topic: Topic<T>): Topic<T, EncodedEvent> {
  if (topic.codec.contentType !== 'application/x-protobuf') {
    throw new PaystreamError('UNSUPPORTED', `the topic "${topic.name}" is to hold ${topic.codec.contentType}; orders are protobuf`, {
      reason: 'UNSUPPORTED_CODEC',
    });
  }
  const { contentType } = topic.codec;
  return {
    name: topic.name,
    codec: { contentType, encode: (event) => event.bytes, decode: (bytes) => topic.codec.decode(bytes) },
    key: (event) => event.key,
  };
}
