import {
  type Broker,
  type BrokerReader,
  type Clock,
  type ClockTimer,
  type IncomingMessage,
  type Logger,
  PaystreamError,
  type Topic,
} from '@paystream/core';
import type { OrderUpdate } from '@paystream/core/contracts';
import { orderOf } from '../store/order-record.ts';
import type { OrderStore } from '../store/order-store.ts';
import type { Watchers } from './watchers.ts';

/** Options of {@link createOrderFeed}. */
export interface OrderFeedOptions {
  readonly broker: Broker;
  readonly topic: Topic<OrderUpdate>;
  readonly store: OrderStore;
  readonly watchers: Watchers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often the orders of all watchers are read again, in milliseconds: nothing rests on a message alone. */
  readonly rereadMs: number;
}

/** Feeds the watchers of this process from what any replica publishes. */
export interface OrderFeed {
  close(): Promise<void>;
}

const reopenDelayMs = 1_000;
const chunkSize = 1_000;

function chunksOf<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
}

/** Starts reading. One reader for the whole process; messages that nobody waits for are not even decoded. */
export async function createOrderFeed(options: OrderFeedOptions): Promise<OrderFeed> {
  const { broker, topic, store, watchers, clock, logger, rereadMs } = options;
  const stopped = new AbortController();
  const open = (): Promise<BrokerReader> => broker.createReader({ topic: topic.name, start: 'latest' });
  let reader = await open();

  const take = (message: IncomingMessage): void => {
    if (message.key === undefined || !watchers.wants(message.key)) return;
    try {
      const { order } = topic.codec.decode(message.payload);
      if (order !== undefined) watchers.offer(order);
    } catch (error) {
      // The watchers of its order are served by the next read of the store.
      logger.warn({ topic: topic.name, messageId: message.id, error: PaystreamError.from(error).message }, 'skipped an undecodable update');
    }
  };

  const rereadChunk = async (orderIds: readonly string[]): Promise<void> => {
    const versions = await store.versions(orderIds);
    const news = orderIds.filter((id) => watchers.isNews(id, versions.get(id) ?? 0n));
    if (news.length === 0) return;
    for (const record of (await store.find(store.reader, news)).values()) watchers.offer(orderOf(record));
  };

  const reread = async (): Promise<void> => {
    try {
      for (const chunk of chunksOf(watchers.orderIds(), chunkSize)) await rereadChunk(chunk);
    } catch (error) {
      logger.warn({ error: PaystreamError.from(error).message }, 'could not read the watched orders; trying again later');
    }
  };

  const reopen = async (): Promise<void> => {
    await reader.close().catch((error: unknown) => {
      logger.debug({ error: PaystreamError.from(error).message }, 'closing the lost reader failed');
    });
    while (!stopped.signal.aborted) {
      try {
        await clock.sleep(reopenDelayMs, stopped.signal);
        reader = await open();
        return;
      } catch (error) {
        if (!stopped.signal.aborted)
          logger.warn({ topic: topic.name, error: PaystreamError.from(error).message }, 'cannot read order updates; trying again');
      }
    }
  };

  const read = async (): Promise<void> => {
    let gaps = reader.gaps;
    while (!stopped.signal.aborted) {
      try {
        for (const message of await reader.receive(256, stopped.signal)) take(message);
        if (reader.gaps === gaps) continue;
      } catch (error) {
        if (stopped.signal.aborted) return;
        logger.warn({ topic: topic.name, error: PaystreamError.from(error).message }, 'lost the reader of order updates; opening another');
        await reopen();
      }
      gaps = reader.gaps;
      await reread();
    }
  };

  let timer: ClockTimer | undefined;
  let rereading: Promise<void> = Promise.resolve();
  const arm = (): void => {
    if (stopped.signal.aborted) return;
    timer = clock.setTimer(
      rereadMs,
      () => {
        rereading = (watchers.size === 0 ? Promise.resolve() : reread()).then(arm);
      },
      { unref: true },
    );
  };

  arm();
  const reading = read();
  return {
    close: async () => {
      stopped.abort();
      timer?.cancel();
      await Promise.all([reading, rereading]);
      await reader.close();
    },
  };
}
