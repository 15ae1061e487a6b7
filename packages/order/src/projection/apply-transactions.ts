import { type Delivery, PaystreamError, type Telemetry, type Topic, type TraceContext } from '@paystream/core';
import type { BusinessLog, OrderUpdate, TransactionEvent } from '@paystream/core/contracts';
import { type Database, type Outbox, type OutboxEvent, outboxEvent, type Transaction } from '@paystream/core/sql';
import { applyTransaction } from '../order/apply-transaction.ts';
import type { EncodedEvent } from '../order/encoded-topic.ts';
import { encodeUpdate } from '../order/order-bytes.ts';
import type { OrderFact } from '../order/standing.ts';
import { orderStateName } from '../order/states.ts';
import { type OrderRecord, orderOf } from '../store/order-record.ts';
import type { OrderStore } from '../store/order-store.ts';
import { retryAborted } from '../store/retry-aborted.ts';
import type { Watchers } from '../waits/watchers.ts';

/** What the projection of payment's events needs. */
export interface ProjectionContext {
  readonly database: Database;
  readonly store: OrderStore;
  readonly outbox: Outbox;
  readonly updates: Topic<OrderUpdate, EncodedEvent>;
  readonly businessLog: BusinessLog;
  readonly watchers: Watchers;
  readonly telemetry: Telemetry;
}

/** An order that a batch has changed. */
interface Changed {
  readonly before: OrderRecord;
  record: OrderRecord;
  trace: TraceContext;
}

/** The event that tells every replica of an order's new version. */
export function updateEvent(context: Pick<ProjectionContext, 'updates'>, record: OrderRecord, trace: TraceContext): OutboxEvent {
  const { terms, standing, bytes } = record;
  return outboxEvent(
    context.updates,
    { key: terms.orderId, bytes: encodeUpdate(bytes, standing, terms.currency) },
    { occurredAtMs: standing.updateMs, ...trace },
  );
}

/** The business entry of a transition. */
export function factEvent(
  context: Pick<ProjectionContext, 'businessLog'>,
  record: OrderRecord,
  fact: OrderFact,
  trace: TraceContext,
): OutboxEvent {
  const { orderId, merchantId } = record.terms;
  return context.businessLog({ ...fact, orderId, merchantId, trace });
}

function unknownOrder(event: TransactionEvent): PaystreamError {
  return new PaystreamError('NOT_FOUND', `payment ${event.paymentId} is of order "${event.orderId}", which is not known here`, {
    reason: 'UNKNOWN_ORDER',
    // Of several nodes of a database the one that is asked may not show yet what was committed on another.
    retryable: true,
    details: { orderId: event.orderId },
  });
}

async function applyAll(
  context: ProjectionContext,
  tx: Transaction,
  batch: readonly Delivery<TransactionEvent>[],
): Promise<ReadonlyMap<string, Changed>> {
  const records = await context.store.find(tx, [...new Set(batch.map(({ value }) => value.orderId))]);
  const changes = new Map<string, Changed>();
  const facts: OutboxEvent[] = [];
  for (const { value: event, traceparent, tracestate } of batch) {
    const trace = { traceparent, tracestate };
    const before = records.get(event.orderId);
    if (before === undefined) throw unknownOrder(event);
    const changed = changes.get(event.orderId);
    const record = changed?.record ?? before;
    const verdict = applyTransaction(record.terms, record.standing, event);
    if (verdict.kind === 'unchanged') continue;
    if (verdict.kind === 'refused') {
      throw new PaystreamError('FAILED_PRECONDITION', `order ${event.orderId}: ${verdict.message}`, {
        reason: verdict.reason,
        details: { orderId: event.orderId, paymentId: event.paymentId },
      });
    }
    const next = { ...record, standing: verdict.standing };
    facts.push(factEvent(context, next, verdict.fact, trace));
    if (changed === undefined) changes.set(event.orderId, { before, record: next, trace });
    else {
      changed.record = next;
      changed.trace = trace;
    }
  }
  if (changes.size === 0) return changes;
  const all = [...changes.values()];
  // Always in the same order, so that two writers of the same orders never wait for each other.
  if (!context.database.exclusive) all.sort((a, b) => (a.record.terms.orderId < b.record.terms.orderId ? -1 : 1));
  await context.store.update(
    tx,
    all.map(({ before, record }) => ({
      orderId: record.terms.orderId,
      fromVersion: before.standing.version,
      standing: record.standing,
    })),
  );
  await context.outbox.add(tx, [...all.map(({ record, trace }) => updateEvent(context, record, trace)), ...facts]);
  return changes;
}

/**
 * Applies a batch of payment's events to their orders: rows, the news of them and their business entries in one
 * transaction. Throws for the batch if one of its events cannot be applied, so that the consumer finds that one.
 */
export async function applyTransactions(context: ProjectionContext, batch: readonly Delivery<TransactionEvent>[]): Promise<void> {
  const changes = await retryAborted(() => context.database.transaction((tx) => applyAll(context, tx, batch)));
  for (const { record } of changes.values()) {
    const { orderId } = record.terms;
    context.telemetry.count('paystream_order_transitions_total', { state: orderStateName(record.standing.state) });
    // Those who wait here need not wait for the broker.
    if (context.watchers.wants(orderId)) context.watchers.offer(orderOf(record));
  }
}
