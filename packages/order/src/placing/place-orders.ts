import { formatMoney, PaystreamError, type Topic } from '@paystream/core';
import type { BusinessLog, Order, OrderEvent } from '@paystream/core/contracts';
import { type Database, type Outbox, type OutboxEvent, outboxEvent, type SqlTransaction, type Transaction } from '@paystream/core/sql';
import type { EncodedEvent } from '../order/encoded-topic.ts';
import { encodePlaced, withStanding } from '../order/order-bytes.ts';
import { orderOf } from '../store/order-record.ts';
import type { OrderStore, RequestedOrder } from '../store/order-store.ts';
import { retryAborted } from '../store/retry-aborted.ts';
import { sameFingerprint } from './fingerprint.ts';
import type { Draft } from './new-order.ts';

/** What became of a draft: the order placed by it or by an earlier request of the same id, or why there is none. */
export type Placement = { readonly order: Order; readonly isNew: boolean } | PaystreamError;

/** What placing needs. */
export interface PlacingContext {
  readonly database: Database;
  readonly store: OrderStore;
  readonly outbox: Outbox;
  readonly orders: Topic<OrderEvent, EncodedEvent>;
  readonly businessLog: BusinessLog;
}

const keyOf = (merchantId: string, requestId: string): string => `${merchantId}\n${requestId}`;

/** The order that an earlier request of the same id placed, or the error that it had other content. */
export function repeatOf(placed: RequestedOrder, fingerprint: Uint8Array): Placement {
  if (sameFingerprint(placed.fingerprint, fingerprint)) return { order: orderOf(placed.record), isNew: false };
  const { orderId } = placed.record.terms;
  return new PaystreamError(
    'ALREADY_EXISTS',
    `the request id "${placed.requestId}" has placed order ${orderId} with other content; use a new id for a new order`,
    { reason: 'REQUEST_ID_REUSED', details: { requestId: placed.requestId, orderId } },
  );
}

function eventsOf(context: PlacingContext, draft: Draft): readonly OutboxEvent[] {
  const { orderId, merchantId, currency, totalUnits } = draft.terms;
  const placed = outboxEvent(
    context.orders,
    { key: orderId, bytes: encodePlaced(draft.bytes, draft.standing, currency) },
    { occurredAtMs: draft.createMs, ...draft.trace },
  );
  const fact = context.businessLog({
    event: 'order.placed',
    message: `placed: ${formatMoney({ currency, units: totalUnits })}`,
    orderId,
    merchantId,
    attributes: { request_id: draft.requestId, total_units: String(totalUnits), currency },
    trace: draft.trace,
  });
  return [placed, fact];
}

async function readTaken(store: OrderStore, executor: SqlTransaction, taken: readonly Draft[]): Promise<readonly RequestedOrder[]> {
  const byMerchant = Map.groupBy(taken, (draft) => draft.terms.merchantId);
  const found: RequestedOrder[] = [];
  for (const [merchantId, drafts] of byMerchant) {
    const requestIds = drafts.map((draft) => draft.requestId);
    found.push(...(await store.findRequests(executor, merchantId, requestIds)));
  }
  return found;
}

/** The error for a request that the database takes for another one: comparing ids otherwise than byte by byte, it finds no order of this one. */
function requestLost({ requestId, terms: { merchantId } }: Draft): PaystreamError {
  return new PaystreamError(
    'INTERNAL',
    `request "${requestId}" of merchant "${merchantId}" counts as taken and has placed no order: are the keys of the table of orders compared byte by byte?`,
    { reason: 'REQUEST_LOST', details: { requestId, merchantId } },
  );
}

/** What was inserted, and the orders that others of the drafts had placed before. */
interface Inserted {
  readonly fresh: ReadonlySet<Draft>;
  readonly earlier: readonly RequestedOrder[];
}

async function insertAll(context: PlacingContext, tx: Transaction, drafts: readonly Draft[]): Promise<Inserted> {
  const inserted = await context.store.insert(tx, drafts);
  const fresh = new Set(drafts.filter((_, index) => inserted[index] === true));
  if (fresh.size > 0)
    await context.outbox.add(
      tx,
      [...fresh].flatMap((draft) => eventsOf(context, draft)),
    );
  const taken = drafts.filter((draft) => !fresh.has(draft));
  if (taken.length === 0) return { fresh, earlier: [] };
  const earlier = await readTaken(context.store, tx, taken);
  if (earlier.length === taken.length) return { fresh, earlier };
  throw new PaystreamError('ABORTED', 'an order that took a request id is gone again; try again', { reason: 'ORDER_CHANGED' });
}

const byKey = (a: Draft, b: Draft): number => (keyOf(a.terms.merchantId, a.requestId) < keyOf(b.terms.merchantId, b.requestId) ? -1 : 1);

/**
 * Places a batch of drafts in one transaction, their events with them. Drafts of one request id collapse into the first;
 * one whose id was taken before gives the order that took it.
 */
export async function placeOrders(context: PlacingContext, drafts: readonly Draft[]): Promise<readonly Placement[]> {
  const firsts = new Map<string, Draft>();
  for (const draft of drafts) {
    const key = keyOf(draft.terms.merchantId, draft.requestId);
    if (!firsts.has(key)) firsts.set(key, draft);
  }
  const unique = [...firsts.values()];
  // Always in the same order, so that two writers with the same requests never wait for each other.
  if (!context.database.exclusive) unique.sort(byKey);
  const { fresh, earlier } = await retryAborted(() => context.database.transaction((tx) => insertAll(context, tx, unique)));
  const placedBefore = new Map(earlier.map((placed) => [keyOf(placed.record.terms.merchantId, placed.requestId), placed]));
  return drafts.map((draft) => {
    if (fresh.has(draft)) return { order: withStanding(draft.order, draft.standing), isNew: true };
    const key = keyOf(draft.terms.merchantId, draft.requestId);
    const first = firsts.get(key);
    if (first !== undefined && fresh.has(first)) {
      return repeatOf({ requestId: first.requestId, fingerprint: first.fingerprint, record: first }, draft.fingerprint);
    }
    const placed = placedBefore.get(key);
    return placed === undefined ? requestLost(draft) : repeatOf(placed, draft.fingerprint);
  });
}
