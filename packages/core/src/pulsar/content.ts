import type { Message } from '@paystream/pulsar';
import type { Content } from '../pulsar-adapter/received.ts';

/** What a message of the client holds. */
export function contentOf({ data, key, properties, eventTimeMs, publishTimeMs }: Message): Content {
  return { payload: data, key, properties, eventTimeMs, publishTimeMs };
}
