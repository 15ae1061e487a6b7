import type { ConsumerOptions, Message, ProducerOptions, PulsarClient, SubscriptionOptions } from '@paystream/pulsar';
import { queueSizeOf } from '../../packages/core/src/pulsar-adapter/subscription.ts';

/** How long acknowledgements are gathered, in milliseconds, on both sides: what `createPulsarBroker` does unless it is told otherwise. */
export const ackGroupTimeMs = 2;

/** What `createPulsarBroker` asks of its client for a consumer that may have so many messages in hand. */
export function consumerLikeBroker(maxInFlight: number): Partial<SubscriptionOptions> {
  return { receiverQueueSize: queueSizeOf(maxInFlight), ackReceipt: true, batchIndexAck: true, ackGroupTimeMs };
}

/** What it asks for a producer: batches by key. */
export const producerLikeBroker = {
  batching: { keyed: true },
  maxPendingMessages: 10_000,
  blockIfQueueFull: true,
} as const satisfies Partial<ProducerOptions>;

/** A consumer of the client alone that reads so many messages. */
export interface BareReading {
  /** Resolves when all were received. */
  readonly done: Promise<void>;
  /** Resolves when all are acknowledged and the subscription, which stays, is left. */
  close(): Promise<void>;
}

/** Joins a subscription and reads `count` messages: takes what is there, acknowledges it, and does not wait for the answer before it takes more. */
export async function readBare(
  client: PulsarClient,
  options: ConsumerOptions,
  count: number,
  onBatch: (batch: readonly Message[]) => void = () => undefined,
): Promise<BareReading> {
  const consumer = await client.subscribe(options);
  const acknowledged: Promise<void>[] = [];
  const read = async (): Promise<void> => {
    let left = count;
    while (left > 0) {
      const batch = await consumer.receiveBatch({ minMessages: 1, maxMessages: 1_000, timeoutMs: Number.POSITIVE_INFINITY });
      acknowledged.push(consumer.acknowledge(batch));
      onBatch(batch);
      left -= batch.length;
    }
    if (left < 0) throw new Error(`${count - left} messages came where ${count} were sent`);
  };
  const done = read();
  return {
    done,
    close: async () => {
      await done;
      await Promise.all(acknowledged);
      await consumer.close();
    },
  };
}
