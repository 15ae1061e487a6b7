import type { LogFields, Logger } from '../logger/port.ts';
import { saysClosed } from './errors.ts';

/**
 * Closes something of the addon. Where that fails the broker was not told, and knows by the connection that is gone: on this side
 * nothing is open afterwards, so whoever closes need do nothing about it.
 */
export async function closeNative(one: { close(): Promise<unknown> }, logger: Logger, fields: LogFields): Promise<void> {
  try {
    await one.close();
  } catch (error) {
    if (!saysClosed(error)) logger.warn({ ...fields, err: error }, 'closed, but the addon could not tell the Pulsar broker');
  }
}
