import { createDeadLetterProducer } from '../broker/dead-letters.ts';
import type {
  Broker,
  BrokerProducer,
  BrokerProducerOptions,
  BrokerReader,
  BrokerSubscription,
  ReaderOptions,
  SubscribeOptions,
} from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type Logger, silentLogger } from '../logger/port.ts';
import type { SharedContext } from './context.ts';
import type { Tell } from './subject.ts';
import { checkNamespace, fullTopicName, refuse } from './topic-names.ts';

/** Options of a broker on Pulsar, whichever its client. */
export interface BrokerOptions {
  readonly namespace?: string | undefined;
  readonly pingTimeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/** What a broker does by its client. */
export interface ClientLink extends Pick<Broker, 'name' | 'capabilities'> {
  readonly tell: Tell;
  createProducer(context: SharedContext, options: BrokerProducerOptions): Promise<BrokerProducer>;
  subscribe(context: SharedContext, options: SubscribeOptions): Promise<BrokerSubscription>;
  createReader(context: SharedContext, options: ReaderOptions): Promise<BrokerReader>;
  /** Asks for the partitions of a topic, which need not exist. */
  partitionsOf(fullName: string): Promise<unknown>;
  /** Why that has not worked so far, if it is being tried again and the client says why. */
  whyNot?(fullName: string): string | undefined;
  /** Closes the client, if it is ours. */
  close(): Promise<void>;
}

/**
 * The topic that `ping` asks for. It need not exist, and is not created: a broker that makes topics by itself answers as if it
 * were there, another one that it is missing. It says the same of a missing namespace, in other words.
 */
const pingTopic = 'paystream-ping';

function checkOptions({ topic, subscription, maxUnacknowledged: max, deadLetter }: SubscribeOptions): void {
  if (subscription === '') refuse('a subscription wants a name');
  if (max !== undefined && !(Number.isInteger(max) && max > 0)) refuse(`maxUnacknowledged wants an integer of at least 1, not ${max}`);
  if (deadLetter === undefined) return;
  if (deadLetter.topic === topic) refuse(`topic "${topic}" cannot be its own dead-letter topic`);
  if (deadLetter.subscription === '') refuse('a subscription wants a name');
  const redeliveries = deadLetter.maxRedeliveries;
  if (!(Number.isInteger(redeliveries) && redeliveries >= 0)) refuse(`maxRedeliveries wants an integer of at least 0, not ${redeliveries}`);
}

/** What it means that the broker is closed. */
export function brokerClosed(): PaystreamError {
  return new PaystreamError('FAILED_PRECONDITION', 'the broker is closed', { reason: 'BROKER_CLOSED' });
}

/** A broker on Pulsar: keeps what is made from it, to close it, and checks what it is asked for. */
export function createBrokerOn(link: ClientLink, options: BrokerOptions): Broker & AsyncDisposable {
  const namespace = checkNamespace(options.namespace ?? 'public/default');
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const pingTimeoutMs = options.pingTimeoutMs ?? 5_000;
  const open = new Set<{ close(): Promise<void> }>();
  const shared = new Map<string, Promise<BrokerProducer>>();
  let closing: Promise<void> | undefined;

  const checkOpen = (): void => {
    if (closing !== undefined) throw brokerClosed();
  };

  /** Remembers what is made in order to close it; what comes about too late is closed at once. */
  const opened = async <T extends { close(): Promise<void> }>(making: Promise<T>): Promise<T> => {
    const made = await making;
    if (closing !== undefined) {
      await made.close();
      throw brokerClosed();
    }
    open.add(made);
    return made;
  };

  const createProducer = (producerOptions: BrokerProducerOptions): Promise<BrokerProducer> =>
    opened(link.createProducer(context, producerOptions));

  const context: SharedContext = {
    clock,
    logger,
    fullName: (topic) => fullTopicName(topic, namespace),
    deadLettersOf: (topic, keptFor) => {
      const name = JSON.stringify([topic, keptFor]);
      let producer = shared.get(name);
      if (producer === undefined) {
        producer = createDeadLetterProducer({ create: createProducer, topic, keptFor, clock, logger });
        shared.set(name, producer);
        producer.catch(() => shared.delete(name));
      }
      return producer;
    },
    closed: (one) => {
      open.delete(one);
    },
  };

  const ping = async (): Promise<void> => {
    checkOpen();
    const topic = context.fullName(pingTopic);
    const late = Promise.withResolvers<never>();
    const timer = clock.setTimer(pingTimeoutMs, () => {
      const why = link.whyNot?.(topic) ?? 'is the broker up, and is its address right?';
      const message = `Pulsar did not answer within ${pingTimeoutMs} ms: ${why}`;
      late.reject(new PaystreamError('UNAVAILABLE', message, { reason: 'PULSAR_TIMEOUT' }));
    });
    try {
      await Promise.race([link.partitionsOf(topic), late.promise]);
    } catch (error) {
      const told = link.tell(error, { what: 'cannot reach Pulsar', details: {}, closed: brokerClosed });
      if (told.reason === 'TOPIC_NOT_FOUND' && !/namespace/i.test(told.message)) return;
      throw told;
    } finally {
      timer.cancel();
    }
  };

  const closeAll = async (): Promise<void> => {
    const outcomes = await Promise.allSettled([...open].map((one) => one.close()));
    await link.close();
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
  const close = (): Promise<void> => {
    closing ??= Promise.resolve().then(closeAll);
    return closing;
  };

  return {
    name: link.name,
    capabilities: link.capabilities,
    createProducer: async (producerOptions) => {
      checkOpen();
      if (producerOptions.initialSubscription === '') refuse('a subscription wants a name');
      return createProducer(producerOptions);
    },
    subscribe: async (subscribeOptions) => {
      checkOpen();
      checkOptions(subscribeOptions);
      return opened(link.subscribe(context, subscribeOptions));
    },
    createReader: async (readerOptions) => {
      checkOpen();
      return opened(link.createReader(context, readerOptions));
    },
    ping,
    close,
    [Symbol.asyncDispose]: close,
  };
}
