import type { BrokerSubscription, SubscribeOptions } from '../../broker/port.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import type { Engine } from './engine.ts';
import type { Member } from './subscription.ts';
import type { TopicState } from './topic-state.ts';
import { checkMax } from './wait-list.ts';

const defaultMaxUnacknowledged = 1_000;

function closedError(topic: string, subscription: string): PaystreamError {
  return new PaystreamError('CANCELED', `the consumer of subscription "${subscription}" of topic "${topic}" is closed`, {
    reason: 'CONSUMER_CLOSED',
    details: { topic, subscription },
  });
}

/** A consumer that may still be on its way. */
export interface EmbeddedConsumer extends BrokerSubscription {
  /** Resolves when its cursor is stored. */
  created(): Promise<void>;
}

/** Joins a subscription. */
export function createConsumer(engine: Engine, state: TopicState, options: SubscribeOptions, onClose: () => void): EmbeddedConsumer {
  const { topic, subscription: name } = options;
  const isNew = !state.subscriptions.has(name);
  const subscription = engine.subscription(state, name, options.initialPosition ?? 'latest');
  const member: Member = {
    maxUnacknowledged: options.maxUnacknowledged ?? defaultMaxUnacknowledged,
    deadLetter: options.deadLetter,
    inHand: 0,
  };
  subscription.join(member, options.type ?? 'exclusive');
  let closed = false;

  const checkOpen = (): void => {
    if (closed) throw closedError(topic, name);
  };
  const leave = (): void => {
    if (closed) return;
    closed = true;
    subscription.leave(member, closedError(topic, name));
    onClose();
  };

  return {
    topic,
    subscription: name,
    created: async () => {
      try {
        await engine.stored();
      } catch (error) {
        leave();
        if (isNew && subscription.memberCount === 0) engine.remove(subscription);
        throw error;
      }
      checkOpen();
    },
    receive: async (max, signal) => {
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
      return subscription.backlog;
    },
    close: async () => {
      leave();
      // What was acknowledged is stored by then; if it cannot be, who acknowledged has been told.
      await engine.settled();
    },
    unsubscribe: async () => {
      checkOpen();
      if (subscription.memberCount > 1) {
        throw new PaystreamError(
          'FAILED_PRECONDITION',
          `subscription "${name}" of topic "${topic}" has other consumers: close them first`,
          { reason: 'SUBSCRIPTION_BUSY', details: { topic, subscription: name } },
        );
      }
      leave();
      engine.remove(subscription);
      await engine.stored();
    },
  };
}
