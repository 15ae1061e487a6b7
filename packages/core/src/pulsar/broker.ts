import { createPulsarClient, type PulsarClient, type PulsarEvent } from '@paystream/pulsar';
import type { Broker } from '../broker/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { silentLogger } from '../logger/port.ts';
import { brokerClosed, createBrokerOn } from '../pulsar-adapter/broker.ts';
import type { SharedContext } from '../pulsar-adapter/context.ts';
import { noTelemetry } from '../telemetry/port.ts';
import { createClientEvents } from './client-events.ts';
import type { AdapterContext } from './context.ts';
import { fromPulsar } from './errors.ts';
import type { PulsarBrokerOptions } from './options.ts';
import { createPulsarProducer } from './producer.ts';
import { createPulsarReader } from './reader.ts';
import { createPulsarSubscription } from './subscription.ts';

/** A broker on Apache Pulsar. */
export interface PulsarBroker extends Broker, AsyncDisposable {}

function clientOf(options: PulsarBrokerOptions, onEvent: (event: PulsarEvent) => void): PulsarClient {
  if ('client' in options) return options.client;
  const {
    namespace: _namespace,
    producer: _producer,
    ackGroupTimeMs: _ack,
    pingTimeoutMs: _ping,
    clock: _clock,
    logger: _logger,
    telemetry: _telemetry,
    ...client
  } = options;
  try {
    return createPulsarClient({ ...client, onEvent });
  } catch (error) {
    throw fromPulsar(error, { what: 'cannot make a Pulsar client', details: {}, closed: brokerClosed });
  }
}

/**
 * A broker on Apache Pulsar, by `@paystream/pulsar`. It connects when first needed, and closes the client only if it made it.
 *
 * What differs from what the port promises at least:
 * - `initialSubscription` is made where the broker or the namespace lets clients make subscriptions (`allowAutoSubscriptionCreation`);
 *   elsewhere a producer with one that is not there is refused.
 * - What is given back waits in this process, whatever the type of the subscription, and comes again to the same consumer; if
 *   that closes or dies, to another one at once.
 * - A consumer that the broker does not take back after a break, since its topic is gone or a right was taken away, is joined anew:
 *   that is tried every 100 ms to 5 s until it is closed. Who receives or acknowledges meanwhile gets the broker's answer; what was
 *   received before can be acknowledged when it is joined again.
 * - A producer that the broker has ended, since its topic is gone, was terminated or somebody else took it for himself, is made anew
 *   with the next message, at most once a second; until that works messages are refused as they are by such a topic. Where only some
 *   partitions are so, the others go on; but an outbox, which publishes batches of all keys, waits with the whole topic.
 * - An acknowledgement is durable as far as Pulsar keeps it: a broker that crashes may deliver again what was acknowledged
 *   within the last second (`managedLedgerDefaultMarkDeleteRateLimit`).
 * - A `seek` to a message of a partitioned topic moves the cursor of its partition, and leaves the others where they are.
 * - `backlog` counts entries: messages that were sent in one batch are one until all are acknowledged.
 * - Delayed messages come as exactly as the broker's `delayedDeliveryTickTimeMillis` and `isDelayedDeliveryDeliverAtTimeStrict` say.
 *
 * Errors: `UNAVAILABLE` (`PULSAR_UNREACHABLE`, `PULSAR_TIMEOUT`, `PULSAR_UNAVAILABLE`), `UNAUTHENTICATED`, `PERMISSION_DENIED`,
 * `FAILED_PRECONDITION` (`SUBSCRIPTION_BUSY`, `TOPIC_TERMINATED`), `RESOURCE_EXHAUSTED` (`BACKLOG_QUOTA_EXCEEDED`),
 * `INVALID_ARGUMENT` (`BAD_OPTIONS`, `BAD_MESSAGE`, `MESSAGE_TOO_LARGE`); the `PulsarError` is the cause. Where something is
 * published credentials that are refused are `UNAVAILABLE` (`PULSAR_CREDENTIALS_REFUSED`), and what speaks of the topic alone is
 * `retryable` (`PULSAR_NOT_AUTHORIZED`, `TOPIC_NOT_FOUND`, `TOPIC_TERMINATED`): a consumer waits with the one, and with the other it
 * holds the key of its message for an hour at most, see `RetryPolicy`.
 *
 * @example
 * ```ts
 * await using broker = createPulsarBroker({ serviceUrl: 'pulsar://localhost:6650' });
 * const producer = await broker.createProducer({ topic: 'orders' });
 * await producer.send({ payload: new TextEncoder().encode('hello'), key: 'order-1' });
 * ```
 */
export function createPulsarBroker(options: PulsarBrokerOptions): PulsarBroker {
  const { ackGroupTimeMs = 2, producer, namespace = 'public/default' } = options;
  const { clock = systemClock, logger = silentLogger, telemetry = noTelemetry } = options;
  const producerOptions = typeof producer === 'function' ? producer : () => producer;
  /** The topics that are asked for their partitions, and what that last failed by. */
  const asked = new Map<string, string>();
  const events = createClientEvents({ clock, logger, telemetry, namespace });
  const client = clientOf(options, (event) => {
    events.told(event);
    if (event.scope === 'lookup' && event.error.code !== 'TIMEOUT' && asked.has(event.name)) asked.set(event.name, event.error.message);
    if ('onEvent' in options) options.onEvent?.(event);
  });
  const contextOf = (context: SharedContext): AdapterContext => ({ ...context, client, ackGroupTimeMs, producerOptions });
  return createBrokerOn(
    {
      name: 'pulsar',
      capabilities: {
        delayedDelivery: true,
        seekByTime: true,
        deadLetter: true,
        backlog: true,
        acknowledgementReceipts: true,
        durable: true,
      },
      tell: fromPulsar,
      createProducer: (context, producing) => createPulsarProducer(contextOf(context), producing),
      subscribe: (context, subscribeOptions) => createPulsarSubscription(contextOf(context), subscribeOptions),
      createReader: (context, readerOptions) => createPulsarReader(contextOf(context), readerOptions),
      partitionsOf: (topic) => {
        if (!asked.has(topic)) asked.set(topic, '');
        return client.partitionsOf(topic).finally(() => asked.delete(topic));
      },
      whyNot: (topic) => asked.get(topic) || undefined,
      close: async () => {
        if ('client' in options) return;
        await client.close();
        events.close();
      },
    },
    options,
  );
}
