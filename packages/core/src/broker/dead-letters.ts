import type { Clock } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import type { BrokerProducer, BrokerProducerOptions } from './port.ts';

/** The durable subscription for which dead letters are kept, unless another is named: subscribe to a dead-letter topic by it to read them. */
export const deadLetterSubscription = 'dead-letters' as const;

/** What is said of a subscription that somebody may not make; each is also said of other things. */
const refusals: ReadonlySet<string> = new Set(['PULSAR_NOT_AUTHORIZED', 'PULSAR_FORBIDS_IT', 'SUBSCRIPTION_NOT_FOUND']);

function maybeRefused({ code, reason }: PaystreamError): boolean {
  return code === 'UNSUPPORTED' || code === 'PERMISSION_DENIED' || refusals.has(reason);
}

/** How long after a refusal it is asked for again, with the next letter, in milliseconds. */
const askAgainMs = 60_000;

/** What dead letters are published with. */
export interface DeadLetterOptions {
  readonly create: (options: BrokerProducerOptions) => Promise<BrokerProducer>;
  readonly topic: string;
  /** The subscription that keeps them; `false`: there is to be none. */
  readonly keptFor: string | false;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Asks for the subscription until it is made, at most once a minute: what is permitted meanwhile needs no restart. */
function askingAgain(producer: BrokerProducer, { create, topic, keptFor, clock, logger }: DeadLetterOptions): BrokerProducer {
  let askedMs: number | undefined = clock.monotonic();
  let asking: Promise<void> | undefined;

  const ask = async (): Promise<void> => {
    try {
      const keeping = await create({ topic, ...(keptFor === false ? {} : { initialSubscription: keptFor }) });
      askedMs = undefined;
      logger.info({ topic, subscription: keptFor }, `the dead-letter topic "${topic}" has its subscription now`);
      await keeping.close();
    } catch (error) {
      logger.debug({ topic, subscription: keptFor, err: error }, 'a dead-letter topic still lacks its subscription');
    }
    asking = undefined;
  };
  /** Resolves when the next letter may be published; none overtakes another. */
  const asked = (): Promise<void> => {
    if (asking === undefined && askedMs !== undefined && clock.monotonic() - askedMs >= askAgainMs) {
      askedMs = clock.monotonic();
      asking = ask();
    }
    return asking ?? Promise.resolve();
  };

  return {
    topic: producer.topic,
    send: (message) => asked().then(() => producer.send(message)),
    sendAll: (messages) => asked().then(() => producer.sendAll(messages)),
    flush: () => producer.flush(),
    close: async () => {
      await asking;
      await producer.close();
    },
  };
}

/**
 * Makes a producer of dead letters, and the subscription that keeps them unless there is to be none. Where that may not be made, for who publishes need not have
 * the right to subscribe, it is said once and published nevertheless: to hold messages back for it would hold up all others too.
 */
export async function createDeadLetterProducer(options: DeadLetterOptions): Promise<BrokerProducer> {
  const { create, topic, keptFor, logger } = options;
  if (keptFor === false) return create({ topic });
  let refused: PaystreamError;
  try {
    return await create({ topic, initialSubscription: keptFor });
  } catch (error) {
    refused = PaystreamError.from(error);
    if (!maybeRefused(refused)) throw error;
  }
  const producer = await create({ topic });
  logger.error(
    { topic, subscription: keptFor, err: refused },
    `the dead-letter topic "${topic}" may lose its messages: create its subscription "${keptFor}", or permit this process to`,
  );
  return askingAgain(producer, options);
}
