import { fromStoredTrace, type TraceContext, toStoredTrace } from '@paystream/core';
import { DeliveryState } from '@paystream/core/contracts';
import { type Backlog, type Database, defineStatements, type SqlValue, type Transaction } from '@paystream/core/sql';
import type { PendingDelivery } from './pending-delivery.ts';

/** A delivery to be stored. */
export interface NewDelivery {
  readonly delivery: PendingDelivery;
  readonly channel: string;
  /** Whether this instance takes it on at once; if not, whoever has room does. */
  readonly mine: boolean;
}

/** What became of a delivery. */
export interface DeliveryResult {
  readonly channel: string;
  readonly delivery: PendingDelivery;
  /** `PENDING`: to be tried again at `dueAtMs`. */
  readonly state: DeliveryState;
  readonly tries: number;
  readonly detail: string;
  readonly dueAtMs: number;
  /** The trace in which it is told of. */
  readonly trace: TraceContext | undefined;
}

/** A result to be recorded. */
export interface OwnedResult extends DeliveryResult {
  /** Under which name this instance has the delivery; `null` if another may have begun it since. */
  readonly owner: string | null;
}

/** A delivery that was taken from the table; `interrupted` if an instance ended while it sent it and may not send it twice. */
export interface ClaimedDelivery extends PendingDelivery {
  readonly interrupted: boolean;
}

/** The rows of deliveries. */
export interface DeliveryStore {
  /** Stores those that are new. `true` for each that was. */
  insert(tx: Transaction, deliveries: readonly NewDelivery[], owner: string, nowMs: number): Promise<readonly boolean[]>;
  /**
   * Records results; `true` for each that was still to be recorded. Whatever is not `DELIVERED` counts only while the delivery is
   * its owner's: another who has it now may be sending it.
   */
  record(tx: Transaction, results: readonly OwnedResult[], nowMs: number): Promise<readonly boolean[]>;
  /** Takes on deliveries of a channel that are due and that nobody has, the longest due first. */
  claim(channel: string, owner: string, nowMs: number, limit: number): Promise<readonly ClaimedDelivery[]>;
  /** When the next delivery of a channel that nobody has is due, in milliseconds since the epoch. */
  nextDue(channel: string): Promise<number | undefined>;
  /**
   * How many deliveries of a channel are still to be made, whoever has them, up to 100,000; and since when the one that is due
   * longest is due, of those that nobody has or `owner`.
   */
  waiting(channel: string, owner: string): Promise<Backlog>;
  /** Notes that deliveries are about to be sent which may not be sent twice. Gives those that `owner` still has; no other may be sent. */
  markSending(deliveryIds: readonly string[], owner: string): Promise<readonly string[]>;
  /** The ids of all that a channel has still to deliver and that `owner` has. */
  owned(channel: string, owner: string): Promise<readonly string[]>;
  /** Those of these deliveries that are still to be made and that `owner` has. */
  read(deliveryIds: readonly string[], owner: string): Promise<readonly ClaimedDelivery[]>;
}

/** A backlog that is longer takes too long to count. */
const mostCounted = 100_000;

const columns: readonly string[] = [
  'delivery_id',
  'event_id',
  'channel',
  'recipient',
  'order_id',
  'merchant_id',
  'message',
  'at_most_once',
  'state',
  'tries',
  'sending',
  'detail',
  'owner',
  'due_at',
  'created_at',
  'updated_at',
  'traceparent',
];

const statements = defineStatements(({ tables, dialect }) => {
  const deliveries = tables('notify_deliveries');
  const claimed = 'delivery_id, event_id, recipient, order_id, merchant_id, message, at_most_once, tries, sending, created_at, traceparent';
  const still = `WHERE delivery_id = ? AND state = ${DeliveryState.PENDING} ${dialect.oneRow}`;
  const stillOwn = `WHERE delivery_id = ? AND owner = ? AND state = ${DeliveryState.PENDING} ${dialect.oneRow}`;
  return {
    insert: dialect.insertOrIgnore(deliveries, columns),
    // What was delivered is not sent again, so its text is let go of.
    delivered: `UPDATE ${deliveries} SET state = ${DeliveryState.DELIVERED}, tries = ?, detail = ?, owner = '', message = '', sending = 0, updated_at = ? ${still}`,
    ended: `UPDATE ${deliveries} SET state = ?, tries = ?, detail = ?, owner = '', sending = 0, updated_at = ? ${stillOwn}`,
    again: `UPDATE ${deliveries} SET tries = ?, detail = ?, owner = '', sending = 0, due_at = ?, updated_at = ? ${stillOwn}`,
    due: `SELECT ${claimed} FROM ${deliveries}
      WHERE state = ${DeliveryState.PENDING} AND channel = ? AND owner = '' AND due_at <= ? ORDER BY due_at LIMIT ? ${dialect.forUpdateSkipLocked}`,
    own: `UPDATE ${deliveries} SET owner = ? WHERE delivery_id IN ${dialect.inJson}`,
    nextDue: `SELECT MIN(due_at) AS due_at FROM ${deliveries} WHERE state = ${DeliveryState.PENDING} AND channel = ? AND owner = ''`,
    // From the index alone, and the first of each owner at once: rows of a long outage are many.
    waiting: `SELECT (SELECT COUNT(*) FROM (SELECT seq FROM ${deliveries} WHERE state = ${DeliveryState.PENDING} AND channel = ? LIMIT ${mostCounted}) w) AS waiting,
      (SELECT MIN(due_at) FROM ${deliveries} WHERE state = ${DeliveryState.PENDING} AND channel = ? AND owner = '') AS free_due_at,
      (SELECT MIN(due_at) FROM ${deliveries} WHERE state = ${DeliveryState.PENDING} AND channel = ? AND owner = ?) AS own_due_at`,
    still: `SELECT delivery_id FROM ${deliveries} WHERE delivery_id IN ${dialect.inJson} AND owner = ? AND state = ${DeliveryState.PENDING} ${dialect.forUpdate}`,
    markSending: `UPDATE ${deliveries} SET sending = 1 WHERE delivery_id IN ${dialect.inJson}`,
    owned: `SELECT delivery_id FROM ${deliveries} WHERE state = ${DeliveryState.PENDING} AND channel = ? AND owner = ?`,
    read: `SELECT ${claimed} FROM ${deliveries} WHERE delivery_id IN ${dialect.inJson} AND owner = ? AND state = ${DeliveryState.PENDING} ORDER BY due_at`,
  };
});

interface WaitingRow {
  readonly waiting: number;
  readonly free_due_at: number | null;
  readonly own_due_at: number | null;
}

interface DueRow {
  readonly delivery_id: string;
  readonly event_id: string;
  readonly recipient: string;
  readonly order_id: string;
  readonly merchant_id: string;
  readonly message: string;
  readonly at_most_once: number;
  readonly tries: number;
  readonly sending: number;
  readonly created_at: number;
  readonly traceparent: string | null;
}

function parametersOf({ delivery, channel, mine }: NewDelivery, owner: string, nowMs: number): SqlValue[] {
  const { message } = delivery;
  return [
    message.deliveryId,
    message.eventId,
    channel,
    message.recipient,
    message.orderId,
    message.merchantId,
    JSON.stringify({ subject: message.subject, text: message.text, html: message.html }),
    delivery.atMostOnce ? 1 : 0,
    DeliveryState.PENDING,
    0,
    0,
    '',
    mine ? owner : '',
    nowMs,
    delivery.createdAtMs,
    nowMs,
    toStoredTrace(delivery.trace),
  ];
}

function claimedOf(row: DueRow): ClaimedDelivery {
  const { subject, text, html } = JSON.parse(row.message) as { subject?: string; text: string; html?: string };
  return {
    message: {
      deliveryId: row.delivery_id,
      eventId: row.event_id,
      recipient: row.recipient,
      orderId: row.order_id,
      merchantId: row.merchant_id,
      subject,
      text,
      html,
    },
    atMostOnce: row.at_most_once === 1,
    tries: row.tries,
    createdAtMs: row.created_at,
    trace: fromStoredTrace(row.traceparent),
    resumed: true,
    interrupted: row.sending === 1,
  };
}

/** Makes the store of deliveries. */
export function createDeliveryStore(database: Database): DeliveryStore {
  const sql = statements(database);

  const updateOf = (result: OwnedResult, nowMs: number): readonly [sql: string, parameters: SqlValue[]] => {
    const { deliveryId } = result.delivery.message;
    const { state, tries, detail, owner } = result;
    if (state === DeliveryState.DELIVERED) return [sql.delivered, [tries, detail, nowMs, deliveryId]];
    if (state === DeliveryState.PENDING) return [sql.again, [tries, detail, result.dueAtMs, nowMs, deliveryId, owner]];
    return [sql.ended, [state, tries, detail, nowMs, deliveryId, owner]];
  };

  return {
    insert: async (tx, deliveries, owner, nowMs) => {
      const rows = deliveries.map((delivery) => parametersOf(delivery, owner, nowMs));
      const { affected } = await tx.executeMany(sql.insert, rows);
      return affected.map((count) => count === 1);
    },
    record: async (tx, results, nowMs) => {
      const recorded = new Array<boolean>(results.length).fill(false);
      // Nearly all end the same way, so there are one or two statements.
      const groups = new Map<string, { readonly indexes: number[]; readonly rows: SqlValue[][] }>();
      results.forEach((result, index) => {
        const [statement, parameters] = updateOf(result, nowMs);
        let group = groups.get(statement);
        if (group === undefined) {
          group = { indexes: [], rows: [] };
          groups.set(statement, group);
        }
        group.indexes.push(index);
        group.rows.push(parameters);
      });
      for (const [statement, { indexes, rows }] of groups) {
        const { affected } = await tx.executeMany(statement, rows);
        indexes.forEach((index, position) => {
          recorded[index] = affected[position] === 1;
        });
      }
      return recorded;
    },
    claim: (channel, owner, nowMs, limit) =>
      database.transaction(async (tx) => {
        const { rows } = await tx.execute<DueRow>(sql.due, [channel, nowMs, limit]);
        if (rows.length > 0) await tx.execute(sql.own, [owner, JSON.stringify(rows.map((row) => row.delivery_id))]);
        return rows.map(claimedOf);
      }),
    nextDue: async (channel) => {
      const [row] = await database.query<{ readonly due_at: number | null }>(sql.nextDue, [channel]);
      return row?.due_at ?? undefined;
    },
    waiting: async (channel, owner) => {
      const [row] = await database.query<WaitingRow>(sql.waiting, [channel, channel, channel, owner]);
      const sinceMs = Math.min(row?.free_due_at ?? Number.POSITIVE_INFINITY, row?.own_due_at ?? Number.POSITIVE_INFINITY);
      return { count: row?.waiting ?? 0, sinceMs: sinceMs === Number.POSITIVE_INFINITY ? undefined : sinceMs };
    },
    markSending: (deliveryIds, owner) =>
      database.transaction(async (tx) => {
        const { rows } = await tx.execute<Pick<DueRow, 'delivery_id'>>(sql.still, [JSON.stringify(deliveryIds), owner]);
        const owned = rows.map((row) => row.delivery_id);
        if (owned.length > 0) await tx.execute(sql.markSending, [JSON.stringify(owned)]);
        return owned;
      }),
    owned: async (channel, owner) => {
      const rows = await database.query<Pick<DueRow, 'delivery_id'>>(sql.owned, [channel, owner]);
      return rows.map((row) => row.delivery_id);
    },
    read: async (deliveryIds, owner) => {
      const rows = await database.query<DueRow>(sql.read, [JSON.stringify(deliveryIds), owner]);
      return rows.map(claimedOf);
    },
  };
}
