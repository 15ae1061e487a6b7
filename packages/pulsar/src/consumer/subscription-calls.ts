import { PulsarError } from '../errors/pulsar-error.ts';
import { consumerStats, unsubscribe } from './consumer-commands.ts';
import { type CallOptions, callReady } from './session-calls.ts';

/** Which consumer asks. */
export interface SubscriptionCallOptions extends CallOptions {
  readonly consumerId: number;
}

/** How many messages a subscription has not acknowledged. */
export async function backlogOf(options: SubscriptionCallOptions): Promise<number> {
  const answer = await callReady(options, (connection, signal) => {
    const requestId = connection.nextRequestId();
    return connection.request(requestId, consumerStats(options.consumerId, requestId), { signal });
  });
  return Number(answer.consumerStatsResponse?.msgBacklog ?? 0n);
}

/** Removes a subscription with its cursor. Rejects with `CONSUMER_BUSY` if it has other consumers, unless forced. */
export async function removeSubscription(options: SubscriptionCallOptions, force: boolean): Promise<void> {
  try {
    await callReady(options, (connection, signal) => {
      const requestId = connection.nextRequestId();
      return connection.request(requestId, unsubscribe(options.consumerId, requestId, force), { signal });
    });
  } catch (error) {
    throw othersAttached(error) ?? error;
  }
}

/** What it means that a subscription cannot be removed: brokers call other consumers of it an error of its metadata. */
function othersAttached(error: unknown): PulsarError | undefined {
  if (!PulsarError.is(error) || error.serverError !== 'MetadataError') return undefined;
  const { message, command, serverError } = error;
  return new PulsarError('CONSUMER_BUSY', `the subscription has other consumers: ${message}`, { command, serverError, cause: error });
}
