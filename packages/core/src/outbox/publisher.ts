import type { AddressedMessage } from '../broker/pack.ts';
import type { Clock } from '../clock/port.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import type { Database } from '../sql/port.ts';
import { noLabels, noTelemetry } from '../telemetry/port.ts';
import { type BacklogPage, createBacklog } from './backlog.ts';
import { decodeContent } from './content.ts';
import { createLane, type Lane, type LaneContext } from './lane.ts';
import { createLeftToOthers } from './left-to-others.ts';
import { createRemover } from './remover.ts';
import { type OutboxEntry, type OutboxRow, rowKey } from './row.ts';
import { createWaiters } from './waiters.ts';

/** Options of {@link createPublisher}. */
export interface PublisherOptions extends Omit<LaneContext, 'signal' | 'published' | 'refused' | 'failed'> {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxPendingEvents: number;
  readonly maxPendingBytes: number;
  readonly removeDelayMs: number;
  /** How long what is committed waits at most for earlier rows that others publish, in milliseconds. */
  readonly maxHoldMs: number;
  /** Called for rows that are not in the table when they are to be read: removed by others, or not shown yet by the node that is asked. */
  readonly unseen: () => void;
}

/** Why an event is not published yet. */
export interface PublishFailure {
  readonly topic: string;
  readonly error: PaystreamError;
}

/** Brings committed rows to the broker and removes them. */
export interface Publisher {
  /** How many events it has still to publish. */
  readonly pending: number;
  /** How many of them are held back, since the broker refuses them or one of their key before them. */
  readonly refused: number;
  /** When the oldest row was added that has others to publish; `undefined` if there is none. */
  readonly oldestMs: number | undefined;
  /** The last attempt that failed, until what it was about is published. */
  readonly lastFailure: PublishFailure | undefined;
  knows(row: Pick<OutboxRow, 'epoch' | 'seq'>): boolean;
  /** Tells telemetry how much waits, and for how long. */
  report(): void;
  /** A row that was committed just now, with what it holds. */
  committed(row: OutboxRow, messages: readonly AddressedMessage[]): void;
  /** A row that was committed just now, when somebody else had taken its epoch already. */
  lost(row: OutboxRow): void;
  /** A row that was found in the table. */
  found(row: OutboxRow): void;
  /** Forgets rows of epochs that are not owned any more, and begins again with the others. */
  restart(owned: ReadonlySet<number>): void;
  /** Resolves when every row known now is published and removed, but for those that cannot be read or that the broker refuses. */
  flush(): Promise<void>;
  /** Stops. What is left stays in the table. */
  stop(): Promise<void>;
}

/** Makes the publisher of an outbox. */
export function createPublisher(options: PublisherOptions): Publisher {
  const { clock, logger, telemetry } = options;
  const known = new Map<string, OutboxRow>();
  const unreadable = new WeakSet<OutboxRow>();
  const waiters = createWaiters();
  let pending = 0;
  let refused = 0;
  let inMemoryEvents = 0;
  let inMemoryBytes = 0;
  let controller = new AbortController();
  let lanes = new Map<string, Lane>();
  const backlog = createBacklog(options.database);
  /** Rows that wait until others have published what was committed before them. */
  let held: OutboxRow[] = [];
  let lastFailure: (PublishFailure & { readonly entry: OutboxEntry }) | undefined;
  const leftToOthers = createLeftToOthers({
    database: options.database,
    clock,
    giveUpMs: options.maxHoldMs,
    regained: (row) => known.has(rowKey(row)),
    over: () => {
      for (const row of held) backlog.add(row);
      held = [];
      refill();
    },
  });

  /** All that is left of a row is refused, or waits behind what is. */
  const isHeldBack = (row: OutboxRow): boolean => row.left > 0 && row.left === row.refused;
  const oldestMs = (): number | undefined => {
    for (const row of known.values()) if (row.left > row.refused) return row.addedAtMs;
    return undefined;
  };
  const ageMs = (): number => {
    const oldest = oldestMs();
    return oldest === undefined ? 0 : Math.max(0, clock.now() - oldest);
  };

  const tell = (told: { readonly waiting: number; readonly held: number; readonly ageMs: number }): void => {
    telemetry.gauge('paystream_outbox_pending', noLabels, told.waiting);
    telemetry.gauge('paystream_outbox_refused', noLabels, told.held);
    telemetry.gauge('paystream_outbox_oldest_seconds', noLabels, told.ageMs / 1_000);
  };

  /** Nothing is left to do about these rows. */
  const over = (rows: readonly OutboxRow[]): void => {
    for (const row of rows) known.delete(rowKey(row));
    waiters.over(rows);
  };

  const remover = createRemover({
    database: options.database,
    clock,
    logger,
    delayMs: options.removeDelayMs,
    batchSize: 256,
    removed: over,
  });
  const removeNow = (): void => {
    remover.flush().catch((error: unknown) => logger.warn({ err: error }, 'published rows of the outbox cannot be removed yet'));
  };

  const published = (topic: string, entries: readonly OutboxEntry[]): void => {
    const [oldest] = entries;
    if (oldest === undefined) return;
    if (lastFailure !== undefined && entries.includes(lastFailure.entry)) lastFailure = undefined;
    pending -= entries.length;
    inMemoryEvents -= entries.length;
    for (const { row } of entries) {
      row.left -= 1;
      if (isHeldBack(row)) waiters.over([row]);
      if (row.left > 0) continue;
      inMemoryBytes -= row.bytes;
      remover.add(row);
    }
    telemetry.count('paystream_outbox_published_total', { topic }, entries.length);
    telemetry.observe('paystream_outbox_lag_seconds', { topic }, Math.max(0, clock.now() - oldest.row.addedAtMs) / 1_000);
    telemetry.gauge('paystream_outbox_pending', noLabels, pending);
    if (waiters.some) removeNow();
    refill();
  };

  const holdBack = (entry: OutboxEntry, by: 1 | -1): void => {
    if (lastFailure?.entry === entry) lastFailure = undefined;
    entry.row.refused += by;
    refused += by;
    if (isHeldBack(entry.row)) waiters.over([entry.row]);
    telemetry.gauge('paystream_outbox_refused', noLabels, refused);
  };

  const laneOf = (topic: string): Lane => {
    let lane = lanes.get(topic);
    if (lane === undefined) {
      const { signal } = controller;
      lane = createLane(topic, {
        ...options,
        signal,
        published: (name, entries) => {
          // What a forgotten lane had under way is published again by whoever has its rows now.
          if (!signal.aborted) published(name, entries);
        },
        refused: (entry, by) => {
          if (!signal.aborted) holdBack(entry, by);
        },
        failed: (name, entry, error) => {
          if (!signal.aborted) lastFailure = { topic: name, entry, error };
        },
      });
      lanes.set(topic, lane);
    }
    return lane;
  };

  const enqueue = (row: OutboxRow, messages: readonly AddressedMessage[]): void => {
    inMemoryEvents += messages.length;
    inMemoryBytes += row.bytes;
    for (const { topic, message } of messages) laneOf(topic).push({ row, message });
  };

  const full = (): boolean => inMemoryEvents >= options.maxPendingEvents || inMemoryBytes >= options.maxPendingBytes;

  const take = ({ row, content }: BacklogPage): void => {
    if (content === undefined) {
      pending -= row.left;
      over([row]);
      options.unseen();
      return;
    }
    try {
      const { messages, bytes } = decodeContent(content);
      row.bytes = bytes;
      enqueue(row, messages);
    } catch (error) {
      // It stays known, so that it is complained of once; it stays in the table, for somebody to look at.
      pending -= row.left;
      row.left = 0;
      unreadable.add(row);
      waiters.over([row]);
      logger.error({ epoch: row.epoch, seq: row.seq, err: error }, 'a row of the outbox cannot be read: its events are not published');
    }
  };

  const refill = (): void => {
    if (backlog.size === 0 || backlog.loading || full() || inMemoryEvents * 2 > options.maxPendingEvents) return;
    const { signal } = controller;
    backlog
      .next()
      .then((page) => {
        if (signal.aborted) return;
        for (const one of page) take(one);
        refill();
      })
      .catch((error: unknown) => {
        if (signal.aborted) return;
        logger.warn({ err: error }, 'rows of the outbox cannot be read; trying again in a second');
        clock.setTimer(1_000, refill, { unref: true });
      });
  };

  return {
    get pending() {
      return pending;
    },
    get refused() {
      return refused;
    },
    get oldestMs() {
      return oldestMs();
    },
    get lastFailure() {
      return lastFailure;
    },
    knows: (row) => known.has(rowKey(row)),
    report: () => {
      if (telemetry !== noTelemetry) tell({ waiting: pending, held: refused, ageMs: ageMs() });
    },
    committed: (row, messages) => {
      if (controller.signal.aborted) return;
      known.set(rowKey(row), row);
      pending += row.events;
      if (leftToOthers.some) held.push(row);
      else if (backlog.size > 0 || backlog.loading || full()) backlog.add(row);
      else enqueue(row, messages);
    },
    lost: (row) => leftToOthers.add([row]),
    found: (row) => {
      if (controller.signal.aborted) return;
      known.set(rowKey(row), row);
      pending += row.events;
      backlog.add(row);
      refill();
    },
    restart: (owned) => {
      controller.abort();
      controller = new AbortController();
      lanes = new Map();
      backlog.clear();
      pending = 0;
      refused = 0;
      inMemoryEvents = 0;
      inMemoryBytes = 0;
      held = [];
      lastFailure = undefined;
      const rows = [...known.values()];
      const lost = rows.filter((row) => !owned.has(row.epoch));
      over(lost);
      leftToOthers.add(lost.filter((row) => row.left > 0));
      for (const row of rows) {
        if (!owned.has(row.epoch) || row.left === 0) continue;
        row.left = row.events;
        row.refused = 0;
        pending += row.events;
        if (leftToOthers.some) held.push(row);
        else backlog.add(row);
      }
      refill();
    },
    flush: () => {
      const rows = [...known.values()].filter((row) => !unreadable.has(row) && !isHeldBack(row));
      if (rows.length === 0) return Promise.resolve();
      const over = waiters.wait(rows);
      removeNow();
      return over;
    },
    stop: async () => {
      controller.abort();
      leftToOthers.stop();
      try {
        await remover.flush();
      } catch (error) {
        logger.warn({ err: error }, 'published rows of the outbox could not be removed: their events will be published again');
      }
      remover.stop();
      // What is left is another instance's to tell of.
      tell({ waiting: 0, held: 0, ageMs: 0 });
    },
  };
}
