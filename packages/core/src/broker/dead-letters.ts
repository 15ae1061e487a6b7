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

/**
 * Makes a producer of dead letters, and the subscription that keeps them unless there is to be none. Where that may not be made, for who publishes need not have
 * the right to subscribe, it is said once and published nevertheless: to hold messages back for it would hold up all others too.
 */
export async function createDeadLetterProducer(
  create: (options: BrokerProducerOptions) => Promise<BrokerProducer>,
  topic: string,
  keptFor: string | false,
  logger: Logger,
): Promise<BrokerProducer> {
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
  return producer;
}
