import { deadLetterSubscription } from '../broker/dead-letters.ts';
import type { BrokerSubscription, IncomingMessage, Position, SubscribeOptions } from '../broker/port.ts';
import { checkMax, WaitList } from '../embedded/broker/wait-list.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { SharedContext } from './context.ts';
import { createHolding, type Held, type HoldingOptions } from './holding.ts';
import { type Joinable, keepJoined } from './joined.ts';
import { type Content, Received } from './received.ts';
import type { Subject, Tell } from './subject.ts';

/** How many messages may wait here beyond those in hand before no more are asked for. */
const maxWaiting = 10_000;
/** How long a dead letter waits that could not be sent, in milliseconds. */
const deadLetterRetryMs = 1_000;

/** What a subscription does by its client. What it rejects with is told in the terms of the port by `tell`. */
export interface SubscriptionLink<N> extends Joinable {
  readonly describe: HoldingOptions<N>['describe'];
  contentOf(native: N): Content;
  /** Waits until there is at least one message, and gives those that are there, in a list that is emptied; what is aborted gives what it has, or nothing. */
  fetch(room: number, signal: AbortSignal): Promise<N[]>;
  acknowledge(all: readonly Held<N>[]): Promise<void>;
  /** Moves the cursor, while nothing is being fetched. Says which messages are void by it; `undefined`: all. */
  seek(position: Position): Promise<((native: N) => boolean) | undefined>;
  backlog(): Promise<number>;
  unsubscribe(): Promise<void>;
  /** Ends what is being fetched, too. */
  close(): Promise<void>;
}

/**
 * How many messages are asked for in advance: so few that others are not kept from what this one cannot take. Where little
 * may be in hand, one at a time when somebody waits.
 */
export function queueSizeOf(maxUnacknowledged: number): number {
  return maxUnacknowledged < 20 ? 0 : Math.min(1_000, Math.floor(maxUnacknowledged / 2));
}

/** How many messages a consumer may have in hand, unless told otherwise. */
export const defaultMaxUnacknowledged = 1_000;

/**
 * Joins a subscription, and joins it again if its client gives that up. What is given back is kept here until it is due, and handed
 * out here again: so each has its own delay, keys keep their order, and a batch does not come again for one of its messages.
 */
export async function createHeldSubscription<N>(
  context: SharedContext,
  options: SubscribeOptions,
  join: () => Promise<SubscriptionLink<N>>,
  tell: Tell,
): Promise<BrokerSubscription> {
  const { clock, logger } = context;
  const { topic, subscription, type = 'exclusive', maxUnacknowledged = defaultMaxUnacknowledged, deadLetter } = options;
  const labels = { topic, subscription };
  const about = (doing: string, closed: () => PaystreamError = closedError): Subject => ({
    what: `cannot ${doing} subscription "${subscription}" of topic "${topic}"`,
    details: labels,
    closed,
  });
  const waiting = new WaitList<undefined>();
  let closed: Promise<void> | undefined;
  /** Rejects when this is closed. */
  const closing = Promise.withResolvers<never>();
  closing.promise.catch(() => undefined);
  let fetching: AbortController | undefined;
  /** Settles when nothing is being fetched any more. */
  let fetched: Promise<void> = Promise.resolve();
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

  const told = (error: unknown): PaystreamError => tell(error, about('join'));
  const first = await join().catch((error: unknown) => {
    throw told(error);
  });
  const joined = keepJoined(first, {
    clock,
    join,
    tell: told,
    onOutage: (error) => options.onOutage?.(error),
    onRefused: (error) => waiting.reject(undefined, error),
    onJoined: () => {
      holding.lose();
      pump();
    },
    onEnded: () => {
      leave().catch((error: unknown) => logger.debug({ ...labels, err: error }, 'a consumer that was over could not be closed'));
    },
  });
  /** What was under way by a client's consumer that was given up is not closed for who asked. */
  const failed = (error: unknown, doing: string): PaystreamError =>
    tell(
      error,
      about(doing, () => joined.refused ?? closedError()),
    );
  const { describe, contentOf } = first;
  const holding = createHolding<N>({ keyed: type === 'key-shared', clock, describe, onDue: () => pump() });
  /** What a delivery of ours is of. */
  const heldOf = (message: IncomingMessage): Held<N> | undefined =>
    (Received.heldOf(message) as Held<N> | undefined) ?? holding.find(message.id);

  /** Fails in a later turn at the earliest, when what is settled knows of it. */
  const acknowledge = async (all: readonly Held<N>[]): Promise<void> => joined.link.acknowledge(all);
  const settleAll = async (all: readonly Held<N>[]): Promise<void> => {
    const natives = all.map((held) => held.native);
    try {
      await acknowledge(all);
    } catch (error) {
      for (const [index, held] of all.entries()) {
        held.settlement = undefined;
        held.lost = held.native === natives[index];
        holding.unsettled(held);
      }
      throw failed(error, 'acknowledge to');
    }
    for (const held of all) holding.settled(held);
  };

  /** Acknowledges; what it says it says of all. */
  const settle = (all: readonly Held<N>[]): Promise<void> => {
    for (const held of all) holding.settling(held);
    const settlement = settleAll(all);
    for (const held of all) held.settlement = settlement;
    return settlement;
  };

  /** Those whose dead letter is stored, though they could not be acknowledged yet. */
  const moved = new WeakSet<Held<N>>();
  const toDeadLetters = async (held: Held<N>, to: string, keptFor: string | false): Promise<void> => {
    try {
      if (!moved.has(held)) {
        const { payload, key, properties, eventTimeMs } = contentOf(held.native);
        await (await context.deadLettersOf(to, keptFor)).send({ payload, key, properties, eventTimeMs });
        moved.add(held);
      }
      await settle([held]);
    } catch (error) {
      if (closed !== undefined) return;
      logger.warn({ ...labels, err: PaystreamError.from(error), deadLetterTopic: to }, 'a dead letter could not be moved: tried again');
      holding.giveBack(held, deadLetterRetryMs);
      held.redeliveries -= 1;
    }
    pump();
  };

  const taken: Held<N>[] = [];
  const take = (max: number): IncomingMessage[] => {
    while (taken.length < max && holding.inHand < maxUnacknowledged) {
      const held = holding.next();
      if (held === undefined) break;
      if (deadLetter === undefined || held.redeliveries <= deadLetter.maxRedeliveries) taken.push(held);
      else
        toDeadLetters(held, deadLetter.topic, deadLetter.subscription ?? deadLetterSubscription).catch((error: unknown) =>
          waiting.reject(undefined, error),
        );
    }
    const out = taken.map((held) => new Received(contentOf(held.native), topic, held.id, held.redeliveries, held));
    taken.length = 0;
    return out;
  };

  /** Asks the client for as many as there is room for. */
  const fetch = async (signal: AbortSignal): Promise<void> => {
    try {
      const messages = await joined.link.fetch(maxUnacknowledged - holding.inHand, signal);
      if (closed === undefined) holding.arrive(messages);
      messages.length = 0;
    } catch (error) {
      // Who waits was told already, if it is to be joined again.
      if (!signal.aborted && joined.refused === undefined) waiting.reject(undefined, failed(error, 'receive from'));
    }
  };

  function pump(): void {
    if (closed !== undefined) return;
    waiting.serve((waiter) => take(waiter.max));
    if (fetching !== undefined || seeking > 0 || waiting.size === 0 || joined.refused !== undefined) return;
    if (holding.inHand >= maxUnacknowledged || holding.waiting >= maxWaiting) return;
    fetching = new AbortController();
    fetched = fetch(fetching.signal).then(() => {
      fetching = undefined;
      pump();
    });
  }

  /** Moves the cursor while nothing is being fetched: the client keeps what is void apart from what then comes. */
  const move = async (position: Position): Promise<void> => {
    seeking += 1;
    try {
      fetching?.abort();
      // A client that is closed meanwhile may leave its answer out.
      const moved = fetched.then(() => (closed === undefined ? joined.link.seek(position) : closing.promise));
      holding.clear(await Promise.race([moved, closing.promise]));
    } finally {
      seeking -= 1;
    }
  };

  const leave = (): Promise<void> => {
    closed ??= (async () => {
      waiting.reject(undefined, closedError());
      closing.reject(closedError());
      holding.clear();
      context.closed(result);
      fetching?.abort();
      await joined.close();
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
      const underWay = new Set<Promise<void>>();
      const open = messages.map(heldOf).filter((held) => {
        if (held === undefined || held.state === 'settled') return false;
        if (held.settlement !== undefined) underWay.add(held.settlement);
        return held.settlement === undefined;
      });
      if (open.length > 0) underWay.add(settle(open as Held<N>[]));
      await Promise.all(underWay);
      pump();
    },
    negativeAcknowledge: (messages, delayMs) => {
      if (closed !== undefined) return;
      for (const message of messages) {
        const held = heldOf(message);
        // An earlier delivery of it says nothing about a later one.
        if (held !== undefined && held.redeliveries === message.redeliveryCount) holding.giveBack(held, delayMs);
      }
      pump();
    },
    seek: async (position) => {
      checkOpen();
      try {
        await move(position);
      } catch (error) {
        throw failed(error, 'move');
      } finally {
        pump();
      }
    },
    backlog: async () => {
      checkOpen();
      try {
        return await joined.link.backlog();
      } catch (error) {
        throw failed(error, 'ask for the backlog of');
      }
    },
    close: leave,
    unsubscribe: async () => {
      checkOpen();
      try {
        await joined.link.unsubscribe();
      } catch (error) {
        throw failed(error, 'remove');
      }
      await leave();
    },
  };
  joined.begin();
  return result;
}
