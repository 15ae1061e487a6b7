import type { Consumer } from 'pulsar-client';
import type { BrokerSubscription, Position, SubscribeOptions } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createHeldSubscription, defaultMaxUnacknowledged, queueSizeOf, type SubscriptionLink } from '../pulsar-adapter/subscription.ts';
import type { Arrived } from './arrived.ts';
import { closeNative } from './close.ts';
import type { NativeContext } from './context.ts';
import { fromAddon } from './errors.ts';
import { createIntake, type Intake, intakePolicy } from './intake.ts';
import { addonPosition, type Place, parsePlace } from './message-ids.ts';
import { createRepeats } from './repeats.ts';

/** How many messages are asked for at once. */
const parallel = 64;

const types = { exclusive: 'Exclusive', failover: 'Failover', shared: 'Shared', 'key-shared': 'KeyShared' } as const;

/** One delivery of a message. */
interface Copy extends Arrived {
  /** How many outages had been seen when it came. */
  readonly outages: number;
}

interface Joined {
  readonly consumer: Consumer;
  readonly intake: Intake;
}

/** Whether a message lies in the same batch, before a place. */
function isBefore(place: Place, from: Place | undefined): boolean {
  return (
    place.ledger === from?.ledger && place.entry === from.entry && place.partition === from.partition && place.batchIndex < from.batchIndex
  );
}

/** Joins a subscription by the addon. */
export function createNativeSubscription(context: NativeContext, options: SubscribeOptions): Promise<BrokerSubscription> {
  const { addon, client, consumer: consumerOptions } = context;
  const { topic, subscription, type = 'exclusive', maxUnacknowledged = defaultMaxUnacknowledged } = options;
  const fullName = context.fullName(topic);
  let joining: Promise<Joined> | undefined;
  /** The one that was joined last. */
  let current: Consumer | undefined;
  let closed = false;
  /** Where the cursor was moved to. Messages before it in its batch are done with. */
  let from: Place | undefined;
  /** Grows whenever the connection is seen to be away. What came before comes again. */
  let outages = 0;
  const repeats = createRepeats(context.clock);

  const join = async (): Promise<Joined> => {
    const wanted = queueSizeOf(maxUnacknowledged);
    const consumer = await client.subscribe({
      ...consumerOptions,
      topic: fullName,
      subscription,
      subscriptionType: types[type],
      subscriptionInitialPosition: options.initialPosition === 'earliest' ? 'Earliest' : 'Latest',
      // Without a queue the addon drops all of a batch but its first message, and has none for a topic with partitions.
      receiverQueueSize: Math.max(1, wanted),
      batchIndexAckEnabled: true,
      batchReceivePolicy: intakePolicy,
    });
    current = consumer;
    return { consumer, intake: createIntake(consumer, wanted === 0 ? 1 : parallel) };
  };
  const closeConsumer = (consumer: Consumer): Promise<void> => closeNative(consumer, context.logger, { topic, subscription });
  const joined = (): Promise<Joined> => {
    if (joining === undefined) {
      const attempt = join();
      joining = attempt;
      // Joining again after a seek failed: the next who needs it tries anew.
      attempt.catch(() => {
        if (joining === attempt) joining = undefined;
      });
    }
    return joining;
  };

  /** Moves the cursor. A call that is under way cannot be told from one after: so a new consumer takes over. */
  const seek = async (position: Position): Promise<undefined> => {
    const { consumer } = await joined();
    const place = typeof position === 'object' && 'messageId' in position ? parsePlace(position.messageId) : undefined;
    if (typeof position === 'object' && 'timeMs' in position) await consumer.seekTimestamp(position.timeMs);
    else await consumer.seek(addonPosition(addon, place ?? (position as 'earliest' | 'latest')));
    from = place;
    repeats.clear();
    joining = undefined;
    current = undefined;
    await closeConsumer(consumer);
    if (!closed) await joined();
  };

  const isAway = (consumer: Consumer): boolean => {
    const away = !consumer.isConnected();
    if (away) outages += 1;
    return away;
  };

  const acknowledge = async (copies: readonly Copy[]): Promise<void> => {
    const { consumer } = await joined();
    // The addon would take them, and forget them when it comes to sending.
    if (isAway(consumer)) {
      throw new PaystreamError('UNAVAILABLE', `no connection to acknowledge to subscription "${subscription}" of topic "${topic}" by`, {
        reason: 'PULSAR_UNREACHABLE',
        details: { topic, subscription },
      });
    }
    await Promise.all(copies.map(({ message }) => consumer.acknowledge(message)));
    for (const copy of copies) if (copy.outages < outages) repeats.add(copy.id);
  };

  const link: SubscriptionLink<Copy> = {
    // It connects again for as long as it is open, whatever the broker says, and does not tell.
    connected: () => current?.isConnected() === true,
    describe: ({ id, key, redeliveries }) => ({ id, key, redeliveries }),
    contentOf: (message) => message,
    fetch: async (room, signal) => {
      const { consumer, intake } = await joined();
      const seen = outages;
      const all = (await intake.next(room, signal)).map((one) => ({ ...one, outages: seen }));
      isAway(consumer);
      const passed = all.filter(({ place, id }) => isBefore(place, from) || repeats.has(id));
      if (passed.length === 0) return all;
      // If that fails they come again, and are passed over again.
      await acknowledge(passed).catch(() => undefined);
      return all.filter((one) => !passed.includes(one));
    },
    acknowledge: (all) => acknowledge(all.map((held) => held.native)),
    seek,
    backlog: async () => {
      throw new PaystreamError('UNSUPPORTED', 'the addon cannot tell a backlog: ask the broker, or use @paystream/core/pulsar', {
        reason: 'BACKLOG_UNKNOWN',
      });
    },
    unsubscribe: async () => {
      const { consumer } = await joined();
      await consumer.unsubscribe();
    },
    close: async () => {
      closed = true;
      const last = await joining?.catch(() => undefined);
      if (last !== undefined) await closeConsumer(last.consumer);
    },
  };
  const begin = async (): Promise<SubscriptionLink<Copy>> => {
    await joined();
    return link;
  };
  return createHeldSubscription(context, options, begin, fromAddon);
}
