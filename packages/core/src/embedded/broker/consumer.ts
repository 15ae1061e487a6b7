import type { BrokerSubscription, IncomingMessage, SubscribeOptions } from '../../broker/port.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import type { Engine, TopicState } from './engine.ts';
import type { Member } from './subscription.ts';

const defaultMaxUnacknowledged = 1_000;

function closedError(topic: string, subscription: string): PaystreamError {
  return new PaystreamError('CANCELED', `the consumer of subscription "${subscription}" of topic "${topic}" is closed`, {
    reason: 'CONSUMER_CLOSED',
    details: { topic, subscription },
  });
}

/** Refuses a number of messages that makes no sense. */
export function checkMax(max: number): void {
  if (Number.isInteger(max) && max > 0) return;
  throw new PaystreamError('INVALID_ARGUMENT', `receive(max) wants an integer of at least 1, not ${max}`, { reason: 'BAD_MAX' });
}

/** A consumer and what the broker needs to know of it. */
export interface EmbeddedConsumer extends BrokerSubscription {
  readonly closed: boolean;
}

/** Joins a subscription. */
export async function createConsumer(
  engine: Engine,
  state: TopicState,
  options: SubscribeOptions,
  onClose: (consumer: EmbeddedConsumer) => void,
): Promise<EmbeddedConsumer> {
  const name = options.subscription;
  const isNew = !state.subscriptions.has(name);
  const subscription = engine.subscription(state, name, options.initialPosition ?? 'latest');
  const member: Member = {
    maxUnacknowledged: options.maxUnacknowledged ?? defaultMaxUnacknowledged,
    deadLetter: options.deadLetter,
    inHand: 0,
  };
  subscription.join(member, options.type ?? 'exclusive');
  let closed = false;
  try {
    await engine.stored();
  } catch (error) {
    subscription.leave(member, error);
    if (isNew && subscription.memberCount === 0) engine.remove(subscription);
    throw error;
  }

  const checkOpen = (): void => {
    if (closed) throw closedError(options.topic, name);
  };
  const leave = (): void => {
    if (closed) return;
    closed = true;
    subscription.leave(member, closedError(options.topic, name));
    onClose(consumer);
  };
  const consumer: EmbeddedConsumer = {
    topic: options.topic,
    subscription: name,
    get closed() {
      return closed;
    },
    receive: async (max: number, signal?: AbortSignal): Promise<readonly IncomingMessage[]> => {
      signal?.throwIfAborted();
      checkMax(max);
      checkOpen();
      return subscription.receive(member, max, signal);
    },
    acknowledge: async (messages) => {
      checkOpen();
      subscription.acknowledge(messages);
      await engine.stored();
    },
    negativeAcknowledge: (messages, delayMs) => {
      if (!closed) subscription.negativeAcknowledge(member, messages, delayMs);
    },
    seek: async (position) => {
      checkOpen();
      subscription.seek(position);
      await engine.stored();
    },
    backlog: async () => {
      checkOpen();
      return subscription.backlog();
    },
    close: async () => {
      leave();
      // What was acknowledged before is stored when this resolves; who acknowledged has been told if it is not.
      await engine.stored().catch(() => undefined);
    },
    unsubscribe: async () => {
      checkOpen();
      if (subscription.memberCount > 1) {
        throw new PaystreamError(
          'FAILED_PRECONDITION',
          `subscription "${name}" of topic "${options.topic}" has other consumers: close them first`,
          {
            reason: 'SUBSCRIPTION_BUSY',
            details: { topic: options.topic, subscription: name },
          },
        );
      }
      leave();
      engine.remove(subscription);
      await engine.stored();
    },
  };
  return consumer;
}
