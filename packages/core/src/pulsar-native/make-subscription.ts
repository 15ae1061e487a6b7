import type { NativeContext } from './context.ts';
import { saysBusy } from './errors.ts';

/** Makes sure that a topic has a durable subscription. The addon's producers know of none, so it is joined and left again. */
export async function makeSubscription(context: NativeContext, topic: string, subscription: string): Promise<void> {
  const { client } = context;
  const fullName = context.fullName(topic);
  // With an empty queue nothing is delivered, which would count. Of a topic with partitions the addon wants at least one message.
  const partitioned = (await client.getPartitionsForTopic(fullName)).some((name) => name !== fullName);
  try {
    const consumer = await client.subscribe({
      ...context.consumer,
      topic: fullName,
      subscription,
      subscriptionType: 'Shared',
      subscriptionInitialPosition: 'Earliest',
      receiverQueueSize: partitioned ? 1 : 0,
    });
    await consumer.close();
  } catch (error) {
    // Then somebody has it for himself, so it is there.
    if (!saysBusy(error)) throw error;
  }
}
