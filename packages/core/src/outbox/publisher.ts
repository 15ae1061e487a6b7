import type { AddressedMessage } from '../broker/pack.ts';
import type { OutgoingMessage } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { noLabels, noTelemetry } from '../telemetry/port.ts';
import { createBacklog } from './backlog.ts';
import { createDoubts } from './doubts.ts';
import { createKnownRows, type KnownRowsOptions } from './known-rows.ts';
import { createLane, type Lane, type LaneContext } from './lane.ts';
import { createLeftToOthers } from './left-to-others.ts';
import { createRowReader, type StoredRow } from './reader.ts';
import type { OutboxEntry, OutboxPlace, OutboxRow } from './row.ts';
import { createTally } from './tally.ts';

/** Options of {@link createPublisher}. */
export interface PublisherOptions
  extends KnownRowsOptions,
    Pick<LaneContext, 'clock' | 'random' | 'logger' | 'telemetry' | 'system' | 'maxBatch' | 'producer' | 'dropProducer' | 'permit'> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxPendingEvents: number;
  readonly maxPendingBytes: number;
  /** How long what is committed waits for earlier rows of which others publish none, in milliseconds. */
  readonly maxHoldMs: number;
  /** Looks in the table for rows of this instance, and has those found that are there. */
  lookFor(rows: readonly OutboxRow[]): Promise<unknown>;
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
  /** Tells telemetry how much waits, and for how long; to be called now and then. */
  report(): void;
  /** A row that was committed just now, with what it holds. */
  committed(row: OutboxRow, messages: readonly AddressedMessage[]): void;
  /** A row that was committed just now, when somebody else had taken its epoch already. */
  lost(row: OutboxRow): void;
  /** A row of which nobody can say whether it was committed just now: what is committed next waits until the table was asked. */
  doubted(row: OutboxRow): void;
  /** A row that was found in the table. One of its own epoch waits for those left to others; of other epochs, those may be among them. */
  found(row: OutboxRow, own: boolean): void;
  /** Forgets rows of epochs that are not owned any more, and begins again with the others. */
  restart(owned: ReadonlySet<number>): void;
  /** Resolves when every row known now is published and removed, but for those that cannot be read or that the broker refuses. */
  flush(): Promise<void>;
  /** Stops. What is left stays in the table, and whoever waits for it is told the reason. */
  stop(reason: PaystreamError): Promise<void>;
}

function notShown(): PaystreamError {
  return new PaystreamError('UNAVAILABLE', 'the database does not show a row that was committed', { reason: 'NOT_SHOWN_YET' });
}

/** Makes the publisher of an outbox. */
export function createPublisher(options: PublisherOptions): Publisher {
  const { clock, logger, telemetry } = options;
  const known = createKnownRows(options);
  // A batch is under way for as long as its topic takes to answer, and leaves most of memory to others.
  const maxBatch = Math.min(options.maxBatch, Math.ceil(options.maxPendingEvents / 4));
  const tally = createTally({ maxEvents: options.maxPendingEvents, maxBytes: options.maxPendingBytes });
  let controller = new AbortController();
  let lanes = new Map<string, Lane>();
  const read = createRowReader(options.database);
  const backlog = createBacklog(read);
  /** Rows that wait for earlier ones: until others have published those, or for one in doubt, which has its place among them. */
  let held: OutboxRow[] = [];
  let lastFailure: (PublishFailure & { readonly entry: OutboxEntry }) | undefined;
  const leftToOthers = createLeftToOthers({
    database: options.database,
    clock,
    giveUpMs: options.maxHoldMs,
    regained: (row) => known.has(row),
    over: () => goOn(),
  });
  const doubts = createDoubts({
    clock,
    look: options.lookFor,
    answered: () => {
      held = held.filter((row) => known.has(row) || doubts.get(row) !== undefined);
      goOn();
    },
  });

  const holds = (): boolean => leftToOthers.some || doubts.some;

  const goOn = (): void => {
    if (holds()) return;
    for (const row of held) backlog.add(row);
    held = [];
    refill();
  };

  const ageMs = (): number => {
    const { oldestMs } = known;
    return oldestMs === undefined ? 0 : Math.max(0, clock.now() - oldestMs);
  };

  const tell = (told: { readonly waiting: number; readonly held: number; readonly ageMs: number }): void => {
    telemetry.gauge('paystream_outbox_pending', noLabels, told.waiting);
    telemetry.gauge('paystream_outbox_refused', noLabels, told.held);
    telemetry.gauge('paystream_outbox_oldest_seconds', noLabels, told.ageMs / 1_000);
  };

  const tellPublished = (topic: string, entries: readonly OutboxEntry[]): void => {
    const [oldest] = entries;
    if (oldest === undefined) return;
    telemetry.count('paystream_outbox_published_total', { topic }, entries.length);
    telemetry.observe('paystream_outbox_lag_seconds', { topic }, Math.max(0, clock.now() - oldest.row.addedAtMs) / 1_000);
    telemetry.gauge('paystream_outbox_pending', noLabels, tally.pending);
    known.hurry();
  };

  const isOfLastFailure = ({ row, index }: OutboxPlace): boolean => row === lastFailure?.entry.row && index === lastFailure.entry.index;

  const published = (topic: string, entries: readonly OutboxEntry[]): void => {
    if (lastFailure !== undefined && entries.some(isOfLastFailure)) lastFailure = undefined;
    for (const { row } of entries) if (tally.publish(row)) known.settle(row);
    tellPublished(topic, entries);
    refill();
  };

  const heldBack = (entry: OutboxEntry): void => {
    if (isOfLastFailure(entry)) lastFailure = undefined;
    if (tally.holdBack(entry.row)) known.settle(entry.row);
    telemetry.gauge('paystream_outbox_refused', noLabels, tally.refused);
    refill();
  };

  const release = (row: OutboxRow): void => {
    tally.release(row);
    if (row.left === 0) known.settle(row);
    telemetry.gauge('paystream_outbox_refused', noLabels, tally.refused);
  };

  /**
   * Reads events of which memory has the places. In the place of one whose row is not there, or cannot be read, is none. Rejects if
   * a row that is not there has become known lately: the node of the database that was asked may not show it yet.
   */
  const readAt = async (places: readonly OutboxPlace[], signal: AbortSignal): Promise<readonly (OutgoingMessage | undefined)[]> => {
    const rows = [...new Set(places.map(({ row }) => row))];
    const stored = new Map((await read(rows)).map((one) => [one.row, one]));
    if (signal.aborted) return [];
    const youngMs = clock.monotonic() - options.maxHoldMs;
    for (const { row, state } of stored.values()) if (state === 'unseen' && row.knownAtMs > youngMs) throw notShown();
    for (const one of stored.values()) if (one.state !== 'read') known.miss(one);
    return places.map(({ row, index }) => {
      const one = stored.get(row);
      return one?.state === 'read' ? one.messages[index]?.message : undefined;
    });
  };

  /** Somebody may have removed the row of an event that the broker would never take: then those behind it go on. */
  const readAgain = async (places: readonly OutboxPlace[], signal: AbortSignal): Promise<readonly (OutgoingMessage | undefined)[]> => {
    const messages = await readAt(places, signal);
    if (signal.aborted) return [];
    for (const [at, message] of messages.entries()) if (message === undefined) release((places[at] as OutboxPlace).row);
    return messages;
  };

  const takeBack = async (places: readonly OutboxPlace[], signal: AbortSignal): Promise<readonly OutboxEntry[]> => {
    const messages = await readAt(places, signal);
    if (signal.aborted) return [];
    return messages.flatMap((message, at) => {
      const place = places[at] as OutboxPlace;
      const { row, index } = place;
      if (message !== undefined) {
        tally.takeBack(row);
        return [{ row, index, message }];
      }
      if (isOfLastFailure(place)) lastFailure = undefined;
      if (tally.dropAside(row)) known.settle(row);
      return [];
    });
  };

  /** Whether somebody waits for memory, or will soon. */
  const crowded = (): boolean => tally.full || (backlog.size > 0 && !tally.roomy);

  /** Topics that take nothing leave memory to the others. */
  const makeRoom = (): void => {
    for (const lane of lanes.values()) lane.makeRoom();
  };

  const laneOf = (topic: string): Lane => {
    let lane = lanes.get(topic);
    if (lane === undefined) {
      const { signal } = controller;
      lane = createLane(topic, {
        ...options,
        maxBatch,
        signal,
        published: (name, entries) => {
          // What a forgotten lane had under way is published again by whoever has its rows now.
          if (!signal.aborted) published(name, entries);
        },
        heldBack: (entry) => {
          if (!signal.aborted) heldBack(entry);
        },
        get crowded() {
          return crowded();
        },
        setAside: (entries) => {
          if (signal.aborted) return;
          for (const { row } of entries) tally.setAside(row);
          // Where reading takes no time, as on SQLite, nothing else would have its turn while a large table is gone through.
          setImmediate(() => signal.aborted || refill());
        },
        takeBack: (places) => takeBack(places, signal),
        readAgain: (places) => readAgain(places, signal),
        released: (name, entries) => {
          if (signal.aborted) return;
          for (const { row } of entries) release(row);
          tellPublished(name, entries);
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
    tally.load(row);
    let index = 0;
    for (const { topic, message } of messages) laneOf(topic).push({ row, index: index++, message });
  };

  const take = (stored: StoredRow): void => {
    const { row } = stored;
    if (stored.state === 'read') {
      row.bytes = stored.bytes;
      enqueue(row, stored.messages);
      return;
    }
    known.miss(stored);
    tally.giveUp(row);
    known.settle(row);
  };

  const refill = (): void => {
    if (backlog.size === 0 || backlog.loading) return;
    const { signal } = controller;
    if (!tally.roomy) {
      makeRoom();
      return;
    }
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
        clock.setTimer(1_000, () => signal.aborted || refill(), { unref: true });
      });
  };

  return {
    get pending() {
      return tally.pending;
    },
    get refused() {
      return tally.refused;
    },
    get oldestMs() {
      return known.oldestMs;
    },
    get lastFailure() {
      return lastFailure;
    },
    knows: (row) => known.has(row),
    report: () => {
      // A topic may have been slow for so long by now that it leaves memory to others.
      if (tally.full) makeRoom();
      refill();
      if (telemetry !== noTelemetry) tell({ waiting: tally.pending, held: tally.refused, ageMs: ageMs() });
    },
    committed: (row, messages) => {
      if (controller.signal.aborted) return;
      known.add(row);
      tally.expect(row);
      if (doubts.get(row) !== undefined) return;
      if (tally.full) makeRoom();
      if (holds()) held.push(row);
      else if (backlog.size > 0 || backlog.loading || tally.full) backlog.add(row);
      else enqueue(row, messages);
    },
    lost: (row) => leftToOthers.add([row]),
    doubted: (row) => {
      if (controller.signal.aborted) return;
      doubts.add(row);
      held.push(row);
    },
    found: (seen, own) => {
      if (controller.signal.aborted) return;
      const doubted = doubts.get(seen);
      const row = doubted ?? seen;
      known.add(row);
      tally.expect(row);
      if (own && holds()) {
        if (doubted === undefined) held.push(row);
        return;
      }
      backlog.add(row);
      refill();
    },
    restart: (owned) => {
      controller.abort();
      controller = new AbortController();
      lanes = new Map();
      backlog.clear();
      tally.reset();
      lastFailure = undefined;
      const waiting = new Set(held);
      held = [];
      const rows = [...known.all().filter((row) => !waiting.has(row)), ...waiting];
      const lost = rows.filter((row) => !owned.has(row.epoch));
      known.forget(lost);
      leftToOthers.add(lost.filter((row) => row.left > 0));
      for (const row of rows) {
        if (!owned.has(row.epoch) || row.left === 0) continue;
        if (known.has(row)) {
          known.add(row);
          tally.expect(row);
        }
        if (holds()) held.push(row);
        else backlog.add(row);
      }
      refill();
    },
    flush: known.flush,
    stop: async (reason) => {
      controller.abort();
      leftToOthers.stop();
      doubts.stop();
      await known.stop(reason);
      // What is left is another instance's to tell of.
      tell({ waiting: 0, held: 0, ageMs: 0 });
    },
  };
}
