import { defineRpcService, PaystreamError, type RpcContext, type RpcService } from '@paystream/core';
import { DeliveryState, NotificationService, timestampFromMs } from '@paystream/core/contracts';
import { type Database, defineStatements, jsonList, scanPage } from '@paystream/core/sql';
import { eventPart } from './pending-delivery.ts';

const defaultPageSize = 100;
const mostPerPage = 1_000;

const statements = defineStatements(({ tables, dialect }) => {
  const deliveries = tables('notify_deliveries');
  const content = ['delivery_id', 'event_id', 'channel', 'recipient', 'state', 'tries', 'detail', 'created_at', 'updated_at'];
  // No index leads to a merchant's deliveries: so many keys are looked at, and of the deliveries that may be shown the rest is read.
  const read = (where: string): string =>
    `SELECT k.seq, k.shown, ${content.map((column) => `d.${column}`).join(', ')} FROM (
      SELECT seq, (? = 1 OR merchant_id IN ${dialect.inJson}) AS shown FROM ${deliveries} WHERE ${where} ORDER BY seq DESC LIMIT ?) k
    LEFT JOIN ${deliveries} d ON d.seq = k.seq AND k.shown = 1
    ORDER BY k.seq DESC`;
  return {
    all: read('seq < ?'),
    // Delivery ids begin with the event id and a colon, so its deliveries lie together in their index.
    ofEvent: read('delivery_id > ? AND delivery_id < ? AND event_id = ? AND seq < ?'),
    ended: `SELECT channel, state, SUM(deliveries) AS deliveries FROM ${tables('notify_counts')} GROUP BY channel, state`,
    pending: `SELECT channel, state, COUNT(*) AS deliveries FROM ${deliveries} WHERE state = ${DeliveryState.PENDING} GROUP BY channel, state`,
  };
});

/** The content of a delivery is there only if it may be shown. */
interface DeliveryRow {
  readonly seq: number;
  readonly shown: number | null;
  readonly delivery_id: string;
  readonly event_id: string;
  readonly channel: string;
  readonly recipient: string;
  readonly state: DeliveryState;
  readonly tries: number;
  readonly detail: string;
  readonly created_at: number;
  readonly updated_at: number;
}

interface CountRow {
  readonly channel: string;
  readonly state: DeliveryState;
  readonly deliveries: number | bigint;
}

function cursorOf(token: string): number {
  if (token === '') return Number.MAX_SAFE_INTEGER;
  const cursor = /^\d{1,15}$/.test(token) ? Number(token) : Number.NaN;
  if (cursor > 0) return cursor;
  throw new PaystreamError('INVALID_ARGUMENT', 'page_token is none that ListDeliveries returned; leave it empty for the first page', {
    reason: 'INVALID_PAGE_TOKEN',
    violations: [{ field: 'page_token', description: 'must be the next_page_token of an earlier answer, or empty' }],
  });
}

function onlyOperators({ principal }: RpcContext): void {
  if (principal.merchants === 'all') return;
  throw new PaystreamError('PERMISSION_DENIED', `"${principal.id}" may act for single merchants; counts are of all merchants together`, {
    reason: 'OPERATORS_ONLY',
  });
}

/**
 * The `NotificationService` over the deliveries of a notifier; for a server of `@paystream/core/grpc`, `/connect` or
 * `/server`. A caller who may act for some merchants only sees only what was sent to them; counting is for operators.
 */
export function notificationRpcService(source: Database | { readonly database: Database }): RpcService {
  const database = 'database' in source ? source.database : source;
  const sql = statements(database);
  return defineRpcService(NotificationService, {
    listDeliveries: async ({ eventId, pageSize, pageToken }, { principal }) => {
      const size = Math.min(pageSize > 0 ? pageSize : defaultPageSize, mostPerPage);
      const merchants = principal.merchants === 'all' ? [1, '[]'] : [0, jsonList(principal.merchants)];
      const event = eventId === '' ? [] : [`${eventPart(eventId)}:`, `${eventPart(eventId)};`, eventId];
      const begin = cursorOf(pageToken);
      const { rows, last } = await scanPage<DeliveryRow>({
        size,
        read: (after, limit) =>
          database.query(eventId === '' ? sql.all : sql.ofEvent, [...merchants, ...event, after?.seq ?? begin, limit]),
        wanted: (row) => row.shown === 1,
      });
      const deliveries = rows.map((row) => ({
        deliveryId: row.delivery_id,
        eventId: row.event_id,
        channel: row.channel,
        recipient: row.recipient,
        state: row.state,
        tries: row.tries,
        detail: row.detail,
        createTime: timestampFromMs(row.created_at),
        updateTime: timestampFromMs(row.updated_at),
      }));
      return { deliveries, nextPageToken: last === undefined ? '' : String(last.seq) };
    },
    countDeliveries: async (_request, context) => {
      onlyOperators(context);
      const rows = [...(await database.query<CountRow>(sql.pending)), ...(await database.query<CountRow>(sql.ended))];
      return { counts: rows.map(({ channel, state, deliveries }) => ({ channel, state, count: BigInt(deliveries) })) };
    },
  });
}
