import { type Consumer, type Message, MessageId } from '@paystream/pulsar';
import type { BrokerSubscription, IncomingMessage, Position, SubscribeOptions } from '../broker/port.ts';
import { checkMax, WaitList } from '../embedded/broker/wait-list.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { AdapterContext } from './context.ts';
import { fromPulsar, type Subject } from './errors.ts';
import { createHolding } from './holding.ts';
import { type HeldMessage, Received } from './received.ts';

/** How many messages may wait here beyond those in hand before no more are asked for. */
const maxWaiting = 10_000;
/** How long a dead letter waits that could not be sent, in milliseconds. */
const deadLetterRetryMs = 1_000;

const types = { exclusive: 'exclusive', failover: 'failover', shared: 'shared', 'key-shared': 'key_shared' } as const;

/**
 * How many messages are asked for in advance: so few that others are not kept from what this one cannot take. Where little
 * may be in hand, one at a time when somebody waits.
 */
function queueSizeOf(maxUnacknowledged: number): number {
  return maxUnacknowledged < 20 ? 0 : Math.min(1_000, Math.floor(maxUnacknowledged / 2));
}

/** Where a position lies for the client. */
export function seekPosition(position: Position): 'earliest' | 'latest' | MessageId | { readonly timeMs: number } {
  return typeof position === 'object' && 'messageId' in position ? MessageId.parse(position.messageId) : position;
}

/**
 * Joins a subscription. What is given back is kept here until it is due, and handed out here again: so each has its own delay,
 * keys keep their order, and a batch does not come again for one of its messages.
 */
export async function createPulsarSubscription(context: AdapterContext, options: SubscribeOptions): Promise<BrokerSubscription> {
  const { client, clock, logger } = context;
  const { topic, subscription, type = 'exclusive', maxUnacknowledged = 1_000, deadLetter } = options;
  const labels = { topic, subscription };
  const about = (doing: string): Subject => ({
    what: `cannot ${doing} subscription "${subscription}" of topic "${topic}"`,
    details: labels,
    closed: closedError,
  });
  const waiting = new WaitList<undefined>();
  let closed: Promise<void> | undefined;
  let fetching = false;
  let seeking = 0;

  function closedError(): PaystreamError {
    return new PaystreamError('CANCELED', `the consumer of subscription "${subscription}" of topic "${topic}" is closed`, {
      reason: 'CONSUMER_CLOSED',
      details: labels,
    });
  }
  const checkOpen = (): void => {
    if (closed !== undefined) throw closedError();
  };

  const holding = createHolding<Message>({
    keyed: type === 'key-shared',
    clock,
    describe: (message) => ({ id: message.id.toString(), key: message.key, redeliveries: message.redeliveryCount }),
    onDue: () => pump(),
  });

  let consumer: Consumer;
  try {
    consumer = await client.subscribe({
      topic: context.fullName(topic),
      subscription,
      type: types[type],
      initialPosition: options.initialPosition ?? 'latest',
      receiverQueueSize: queueSizeOf(maxUnacknowledged),
      ackReceipt: true,
      batchIndexAck: true,
      ackGroupTimeMs: context.ackGroupTimeMs,
    });
  } catch (error) {
    throw fromPulsar(error, about('join'));
  }

  /** A copy whose acknowledgement was lost on its way is acknowledged by its id, as if that came from elsewhere. */
  const acknowledgeable = (held: HeldMessage): Message | MessageId => {
    if (!held.lost) return held.native;
    const { ledgerId, entryId, partition, batchIndex, batchSize, topic: of } = held.native.id;
    return new MessageId({ ledgerId, entryId, partition, batchIndex, batchSize, topic: of });
  };

  const settleAll = async (all: readonly HeldMessage[]): Promise<void> => {
    const natives = all.map((held) => held.native);
    try {
      await consumer.acknowledge(all.map(acknowledgeable));
    } catch (error) {
      for (const [index, held] of all.entries()) {
        held.settlement = undefined;
        held.lost = held.native === natives[index];
        holding.unsettled(held);
      }
      throw fromPulsar(error, about('acknowledge to'));
    }
    for (const held of all) holding.settled(held);
  };

  /** Acknowledges; what it says it says of all. */
  const settle = (all: readonly HeldMessage[]): Promise<void> => {
    for (const held of all) holding.settling(held);
    const settlement = settleAll(all);
    for (const held of all) held.settlement = settlement;
    return settlement;
  };

  const toDeadLetters = async (held: HeldMessage, to: string): Promise<void> => {
    try {
      await (await context.producerOf(to)).send({
        payload: held.native.data,
        key: held.native.key,
        properties: held.native.properties,
        eventTimeMs: held.native.eventTimeMs,
      });
      await settle([held]);
    } catch (error) {
      if (closed !== undefined) return;
      logger.warn({ ...labels, err: PaystreamError.from(error), deadLetterTopic: to }, 'a dead letter could not be moved: tried again');
      holding.giveBack(held, deadLetterRetryMs);
      held.redeliveries -= 1;
    }
    pump();
  };

  const take = (max: number): IncomingMessage[] => {
    const out: IncomingMessage[] = [];
    while (out.length < max && holding.inHand < maxUnacknowledged) {
      const held = holding.next();
      if (held === undefined) break;
      if (deadLetter === undefined || held.redeliveries <= deadLetter.maxRedeliveries) {
        out.push(new Received(held.native, topic, held.id, held.redeliveries, held));
      } else toDeadLetters(held, deadLetter.topic).catch((error: unknown) => waiting.reject(undefined, error));
    }
    return out;
  };

  /** Asks the client for as many as there is room for. */
  const fetch = async (): Promise<void> => {
    const room = maxUnacknowledged - holding.inHand;
    const messages = await consumer.receiveBatch({ minMessages: 1, maxMessages: room, timeoutMs: Number.POSITIVE_INFINITY });
    if (seeking === 0 && closed === undefined) holding.arrive(messages);
  };

  function pump(): void {
    if (closed !== undefined) return;
    waiting.serve((waiter) => take(waiter.max));
    if (fetching || waiting.size === 0 || holding.inHand >= maxUnacknowledged || holding.waiting >= maxWaiting) return;
    fetching = true;
    fetch().then(
      () => {
        fetching = false;
        pump();
      },
      (error: unknown) => {
        fetching = false;
        waiting.reject(undefined, fromPulsar(error, about('receive from')));
      },
    );
  }

  const leave = (end: () => Promise<void>): Promise<void> => {
    closed ??= (async () => {
      waiting.reject(undefined, closedError());
      holding.clear();
      context.closed(result);
      await end();
    })();
    return closed;
  };

  const result: BrokerSubscription = {
    topic,
    subscription,
    receive: async (max, signal) => {
      signal?.throwIfAborted();
      checkMax(max);
      checkOpen();
      const messages = waiting.size === 0 ? take(max) : [];
      if (messages.length > 0) return messages;
      const served = waiting.wait(undefined, max, signal);
      pump();
      return served;
    },
    acknowledge: async (messages) => {
      checkOpen();
      const open: HeldMessage[] = [];
      const underWay = new Set<Promise<void>>();
      for (const message of messages) {
        const held = Received.heldOf(message) ?? holding.find(message.id);
        if (held === undefined || held.state === 'settled') continue;
        if (held.settlement === undefined) open.push(held);
        else underWay.add(held.settlement);
      }
      if (open.length > 0) underWay.add(settle(open));
      await Promise.all(underWay);
      pump();
    },
    negativeAcknowledge: (messages, delayMs) => {
      if (closed !== undefined) return;
      for (const message of messages) {
        const held = Received.heldOf(message) ?? holding.find(message.id);
        // An earlier delivery of it says nothing about a later one.
        if (held !== undefined && held.redeliveries === message.redeliveryCount) holding.giveBack(held, delayMs);
      }
      pump();
    },
    seek: async (position) => {
      checkOpen();
      seeking += 1;
      try {
        await consumer.seek(seekPosition(position), { inclusive: true });
        holding.clear();
      } catch (error) {
        throw fromPulsar(error, about('move'));
      } finally {
        seeking -= 1;
      }
      pump();
    },
    backlog: async () => {
      checkOpen();
      try {
        return await consumer.backlog();
      } catch (error) {
        throw fromPulsar(error, about('ask for the backlog of'));
      }
    },
    close: () => leave(() => consumer.close()),
    unsubscribe: async () => {
      checkOpen();
      try {
        await consumer.unsubscribe();
      } catch (error) {
        throw fromPulsar(error, about('remove'));
      }
      await leave(() => consumer.close());
    },
  };
  return result;
}
