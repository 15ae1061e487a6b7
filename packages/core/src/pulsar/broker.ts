import { createPulsarClient, type PulsarClient } from '@paystream/pulsar';
import type { Broker, BrokerProducer, SubscribeOptions } from '../broker/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { silentLogger } from '../logger/port.ts';
import type { AdapterContext } from './context.ts';
import { fromPulsar } from './errors.ts';
import type { PulsarBrokerOptions } from './options.ts';
import { createPulsarProducer } from './producer.ts';
import { createPulsarReader } from './reader.ts';
import { createPulsarSubscription } from './subscription.ts';
import { checkNamespace, fullTopicName, refuse } from './topic-names.ts';

/** A broker on Apache Pulsar. */
export interface PulsarBroker extends Broker, AsyncDisposable {}

/** The topic that `ping` asks for. It need not exist, and is not created. */
const pingTopic = 'paystream-ping';

function checkOptions({ topic, subscription, maxUnacknowledged: max, deadLetter }: SubscribeOptions): void {
  if (subscription === '') refuse('a subscription wants a name');
  if (max !== undefined && !(Number.isInteger(max) && max > 0)) refuse(`maxUnacknowledged wants an integer of at least 1, not ${max}`);
  if (deadLetter === undefined) return;
  if (deadLetter.topic === topic) refuse(`topic "${topic}" cannot be its own dead-letter topic`);
  const redeliveries = deadLetter.maxRedeliveries;
  if (!(Number.isInteger(redeliveries) && redeliveries >= 0)) refuse(`maxRedeliveries wants an integer of at least 0, not ${redeliveries}`);
}

function closedError(): PaystreamError {
  return new PaystreamError('FAILED_PRECONDITION', 'the broker is closed', { reason: 'BROKER_CLOSED' });
}

function clientOf(options: PulsarBrokerOptions): PulsarClient {
  if ('client' in options) return options.client;
  const {
    namespace: _namespace,
    producer: _producer,
    ackGroupTimeMs: _ack,
    pingTimeoutMs: _ping,
    clock: _clock,
    logger: _logger,
    ...client
  } = options;
  try {
    return createPulsarClient(client);
  } catch (error) {
    throw fromPulsar(error, { what: 'cannot make a Pulsar client', details: {}, closed: closedError });
  }
}

/**
 * A broker on Apache Pulsar, by `@paystream/pulsar`. It connects when first needed, and closes the client only if it made it.
 *
 * What differs from what the port promises at least:
 * - What is given back waits in this process, whatever the type of the subscription, and comes again to the same consumer; if
 *   that closes or dies, to another one at once.
 * - An acknowledgement is durable as far as Pulsar keeps it: a broker that crashes may deliver again what was acknowledged
 *   within the last second (`managedLedgerDefaultMarkDeleteRateLimit`).
 * - `backlog` counts entries: messages that were sent in one batch are one until all are acknowledged.
 * - Delayed messages come as exactly as the broker's `delayedDeliveryTickTimeMillis` and `isDelayedDeliveryDeliverAtTimeStrict` say.
 *
 * Errors: `UNAVAILABLE` (`PULSAR_UNREACHABLE`, `PULSAR_TIMEOUT`, `PULSAR_UNAVAILABLE`), `UNAUTHENTICATED`, `PERMISSION_DENIED`,
 * `FAILED_PRECONDITION` (`SUBSCRIPTION_BUSY`, `TOPIC_TERMINATED`), `RESOURCE_EXHAUSTED` (`BACKLOG_QUOTA_EXCEEDED`),
 * `INVALID_ARGUMENT` (`BAD_OPTIONS`, `BAD_MESSAGE`, `MESSAGE_TOO_LARGE`); the `PulsarError` is the cause.
 *
 * @example
 * ```ts
 * await using broker = createPulsarBroker({ serviceUrl: 'pulsar://localhost:6650' });
 * const producer = await broker.createProducer({ topic: 'orders' });
 * await producer.send({ payload: new TextEncoder().encode('hello'), key: 'order-1' });
 * ```
 */
export function createPulsarBroker(options: PulsarBrokerOptions): PulsarBroker {
  const namespace = checkNamespace(options.namespace ?? 'public/default');
  const clock = options.clock ?? systemClock;
  const pingTimeoutMs = options.pingTimeoutMs ?? 5_000;
  const client = clientOf(options);
  const ownsClient = !('client' in options);
  const open = new Set<{ close(): Promise<void> }>();
  const shared = new Map<string, Promise<BrokerProducer>>();
  let closing: Promise<void> | undefined;

  const checkOpen = (): void => {
    if (closing !== undefined) throw closedError();
  };

  /** Remembers what is made in order to close it; what comes about too late is closed at once. */
  const opened = async <T extends { close(): Promise<void> }>(making: Promise<T>): Promise<T> => {
    const made = await making;
    if (closing !== undefined) {
      await made.close();
      throw closedError();
    }
    open.add(made);
    return made;
  };

  const createProducer = (topic: string): Promise<BrokerProducer> => opened(createPulsarProducer(context, topic));

  const context: AdapterContext = {
    client,
    clock,
    logger: options.logger ?? silentLogger,
    ackGroupTimeMs: options.ackGroupTimeMs ?? 2,
    producer: options.producer ?? {},
    fullName: (topic) => fullTopicName(topic, namespace),
    producerOf: (topic) => {
      let producer = shared.get(topic);
      if (producer === undefined) {
        producer = createProducer(topic);
        shared.set(topic, producer);
        producer.catch(() => shared.delete(topic));
      }
      return producer;
    },
    closed: (one) => {
      open.delete(one);
    },
  };

  const ping = async (): Promise<void> => {
    checkOpen();
    const late = Promise.withResolvers<never>();
    const timer = clock.setTimer(pingTimeoutMs, () => {
      const message = `Pulsar did not answer within ${pingTimeoutMs} ms: is the broker up, and is its address right?`;
      late.reject(new PaystreamError('UNAVAILABLE', message, { reason: 'PULSAR_TIMEOUT' }));
    });
    try {
      await Promise.race([client.partitionsOf(context.fullName(pingTopic)), late.promise]);
    } catch (error) {
      throw fromPulsar(error, { what: 'cannot reach Pulsar', details: {}, closed: closedError });
    } finally {
      timer.cancel();
    }
  };

  const closeAll = async (): Promise<void> => {
    const outcomes = await Promise.allSettled([...open].map((one) => one.close()));
    if (ownsClient) await client.close();
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
  const close = (): Promise<void> => {
    closing ??= Promise.resolve().then(closeAll);
    return closing;
  };

  return {
    name: 'pulsar',
    capabilities: { delayedDelivery: true, seekByTime: true, deadLetter: true, durable: true },
    createProducer: async ({ topic }) => {
      checkOpen();
      return createProducer(topic);
    },
    subscribe: async (subscribeOptions) => {
      checkOpen();
      checkOptions(subscribeOptions);
      return opened(createPulsarSubscription(context, subscribeOptions));
    },
    createReader: async (readerOptions) => {
      checkOpen();
      return opened(createPulsarReader(context, readerOptions));
    },
    ping,
    close,
    [Symbol.asyncDispose]: close,
  };
}
