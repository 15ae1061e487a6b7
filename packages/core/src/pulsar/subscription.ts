import { type Consumer, type Message, MessageId, type PulsarError } from '@paystream/pulsar';
import type { BrokerSubscription, Position, SubscribeOptions } from '../broker/port.ts';
import type { Held } from '../pulsar-adapter/holding.ts';
import { createHeldSubscription, defaultMaxUnacknowledged, queueSizeOf, type SubscriptionLink } from '../pulsar-adapter/subscription.ts';
import { contentOf } from './content.ts';
import type { AdapterContext } from './context.ts';
import { fromPulsar } from './errors.ts';

const types = { exclusive: 'exclusive', failover: 'failover', shared: 'shared', 'key-shared': 'key_shared' } as const;

/** Where a position lies for the client. */
export function seekPosition(position: Position): 'earliest' | 'latest' | MessageId | { readonly timeMs: number } {
  return typeof position === 'object' && 'messageId' in position ? MessageId.parse(position.messageId) : position;
}

/**
 * A copy whose acknowledgement was lost on its way is acknowledged by its id, as if that came from elsewhere. Of a message in chunks
 * that names the first and the last: any between come again, and the client drops and acknowledges them once they are a minute old.
 */
function acknowledgeable({ native, lost }: Held<Message>): Message | MessageId {
  if (!lost) return native;
  const { ledgerId, entryId, partition, batchIndex, batchSize, topic, firstChunk } = native.id;
  return new MessageId({ ledgerId, entryId, partition, batchIndex, batchSize, topic, firstChunk });
}

/** Leaves out what is of a partition that is not there any more, since the topic was made anew: it has nobody to tell. */
function stillThere(all: readonly Held<Message>[], { topics }: Consumer): readonly Held<Message>[] {
  const known = new Set(topics);
  return all.filter(({ lost, native }) => !lost || known.has(native.topic));
}

/** Joins a subscription. */
export function createPulsarSubscription(context: AdapterContext, options: SubscribeOptions): Promise<BrokerSubscription> {
  const { topic, subscription, type = 'exclusive', maxUnacknowledged = defaultMaxUnacknowledged } = options;

  const join = async (): Promise<SubscriptionLink<Message>> => {
    const over = new AbortController();
    let why: PulsarError | undefined;
    /** The topic, or those of its partitions, that it is connected to. */
    const connected = new Set<string>();
    const consumer = await context.client.subscribe({
      topic: context.fullName(topic),
      subscription,
      type: types[type],
      initialPosition: options.initialPosition ?? 'latest',
      receiverQueueSize: queueSizeOf(maxUnacknowledged),
      ackReceipt: true,
      batchIndexAck: true,
      ackGroupTimeMs: context.ackGroupTimeMs,
      events: {
        onConnected: (name) => {
          connected.add(name);
        },
        onDisconnected: (name, error) => {
          connected.delete(name);
          why = error;
        },
        onRetry: (_, error) => {
          why = error;
        },
        onFailed: (error) => over.abort(error),
      },
    });
    return {
      connected: () => connected.size > 0,
      whyNot: () => why,
      over: over.signal,
      describe: (message) => ({ id: message.id.toString(), key: message.key, redeliveries: message.redeliveryCount }),
      contentOf,
      fetch: (room, signal) => consumer.receiveBatch({ minMessages: 1, maxMessages: room, timeoutMs: Number.POSITIVE_INFINITY, signal }),
      acknowledge: (all) => {
        const there = all.some(({ lost }) => lost) ? stillThere(all, consumer) : all;
        return consumer.acknowledge(there.map(acknowledgeable));
      },
      seek: async (position) => {
        const to = seekPosition(position);
        await consumer.seek(to, { inclusive: true });
        // A message id moves the cursor of its partition alone.
        const partition = MessageId.is(to) && to.partition >= 0 ? to.partition : undefined;
        return partition === undefined ? undefined : ({ id }) => id.partition === partition;
      },
      backlog: () => consumer.backlog(),
      unsubscribe: () => consumer.unsubscribe(),
      close: () => consumer.close(),
    };
  };
  return createHeldSubscription(context, options, join, fromPulsar);
}
