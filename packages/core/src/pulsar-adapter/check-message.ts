import type { OutgoingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';

/** Throws `INVALID_ARGUMENT` / `BAD_MESSAGE`. */
export function refuseMessage(topic: string, what: string): never {
  throw new PaystreamError('INVALID_ARGUMENT', `a message for topic "${topic}" ${what}`, { reason: 'BAD_MESSAGE', details: { topic } });
}

/** Refuses what is no message, for callers whose compiler did not. */
export function checkMessage(topic: string, { payload, key, properties }: OutgoingMessage): void {
  if (!(payload instanceof Uint8Array)) refuseMessage(topic, 'has a payload that is not a Uint8Array');
  if (key !== undefined && typeof key !== 'string') refuseMessage(topic, 'has a key that is not a string');
  for (const name in properties) {
    if (typeof properties[name] !== 'string') refuseMessage(topic, `has a property "${name}" that is not a string`);
  }
}
