import { defineRpcService, PaystreamError, type RpcContext, type RpcService } from '@paystream/core';
import { type LogKind, LogService, timestampFromMs } from '@paystream/core/contracts';
import { type Database, defineStatements, jsonList, scanPage } from '@paystream/core/sql';

const defaultPageSize = 100;
const mostPerPage = 1_000;

const content = ['event_time', 'kind', 'level', 'service', 'event', 'message', 'order_id', 'merchant_id', 'trace_id', 'attributes'];

const statements = defineStatements(({ tables, dialect }) => {
  const entries = tables('log_entries');
  // No index leads to a merchant's entries: so many keys are looked at, and of the entries that may be shown the rest is read.
  const read = (where: string): string =>
    `SELECT k.event_date, k.entry_id, k.shown, ${content.map((column) => `e.${column}`).join(', ')} FROM (
      SELECT event_date, entry_id, (? = 1 OR merchant_id IN ${dialect.inJson}) AS shown FROM ${entries}
      WHERE ${where} ORDER BY event_date DESC, entry_id DESC LIMIT ?) k
    LEFT JOIN ${entries} e ON e.event_date = k.event_date AND e.entry_id = k.entry_id AND k.shown = 1
    ORDER BY k.event_date DESC, k.entry_id DESC`;
  // By day, for a comparison of both columns at once makes MySQL read the table from its end.
  const day = 'event_date = ? AND entry_id < ?';
  const before = 'event_date < ?';
  const ofOrder = "order_id = ? AND order_id <> '' AND";
  return {
    allOfDay: read(day),
    allBefore: read(before),
    orderOfDay: read(`${ofOrder} ${day}`),
    orderBefore: read(`${ofOrder} ${before}`),
    counts: `SELECT kind, event, SUM(entries) AS entries FROM ${tables('log_day_counts')} GROUP BY kind, event HAVING SUM(entries) > 0 ORDER BY kind, event`,
  };
});

interface EntryKey {
  readonly event_date: number;
  readonly entry_id: string;
}

/** The content of an entry is there only if it may be shown. */
interface EntryRow extends EntryKey {
  readonly shown: number | null;
  readonly event_time: number;
  readonly kind: number;
  readonly level: number;
  readonly service: string;
  readonly event: string;
  readonly message: string;
  readonly order_id: string;
  readonly merchant_id: string;
  readonly trace_id: string;
  readonly attributes: string;
}

interface CountRow {
  readonly kind: LogKind;
  readonly event: string;
  readonly entries: number | bigint;
}

const newest: EntryKey = { event_date: 99_999_999, entry_id: '' };

/** The key of the entry that the page begins behind. */
function cursorOf(token: string): EntryKey {
  if (token === '') return newest;
  const [, date, entryId] = /^(\d{8})~(.+)$/s.exec(Buffer.from(token, 'base64url').toString()) ?? [];
  if (date === undefined || entryId === undefined) {
    throw new PaystreamError('INVALID_ARGUMENT', 'page_token is none that ListLogEntries returned; leave it empty for the first page', {
      reason: 'INVALID_PAGE_TOKEN',
      violations: [{ field: 'page_token', description: 'must be the next_page_token of an earlier answer, or empty' }],
    });
  }
  return { event_date: Number(date), entry_id: entryId };
}

function tokenOf(key: EntryKey): string {
  return Buffer.from(`${key.event_date}~${key.entry_id}`).toString('base64url');
}

function messageOf(row: EntryRow): object {
  return {
    entryId: row.entry_id,
    kind: row.kind,
    level: row.level,
    service: row.service,
    event: row.event,
    message: row.message,
    orderId: row.order_id,
    merchantId: row.merchant_id,
    traceId: row.trace_id,
    attributes: JSON.parse(row.attributes) as Record<string, string>,
    eventTime: timestampFromMs(row.event_time),
  };
}

function onlyOperators({ principal }: RpcContext): void {
  if (principal.merchants === 'all') return;
  throw new PaystreamError('PERMISSION_DENIED', `"${principal.id}" may act for single merchants; counts are of all merchants together`, {
    reason: 'OPERATORS_ONLY',
  });
}

/**
 * The `LogService` over what a log sink stored; for a server of `@paystream/core/grpc`, `/connect` or `/server`. A caller
 * who may act for some merchants only sees only their entries; counting is for operators.
 *
 * Entries are listed by day, then by id, newest first: the ids that the packages make begin with the time.
 */
export function logRpcService(source: Database | { readonly database: Database }): RpcService {
  const database = 'database' in source ? source.database : source;
  const sql = statements(database);
  return defineRpcService(LogService, {
    listLogEntries: async (request, { principal }) => {
      const size = Math.min(request.pageSize > 0 ? request.pageSize : defaultPageSize, mostPerPage);
      const merchants = principal.merchants === 'all' ? [1, '[]'] : [0, jsonList(principal.merchants)];
      const order = request.orderId === '' ? [] : [request.orderId];
      const [ofDay, before] = request.orderId === '' ? [sql.allOfDay, sql.allBefore] : [sql.orderOfDay, sql.orderBefore];
      const begin = cursorOf(request.pageToken);
      const { rows, last } = await scanPage<EntryRow>({
        size,
        read: async (after, limit) => {
          const { event_date: date, entry_id: id } = after ?? begin;
          const found = id === '' ? [] : [...(await database.query<EntryRow>(ofDay, [...merchants, ...order, date, id, limit]))];
          const left = limit - found.length;
          if (left > 0) found.push(...(await database.query<EntryRow>(before, [...merchants, ...order, date, left])));
          return found;
        },
        wanted: (row) => row.shown === 1,
      });
      return { entries: rows.map(messageOf), nextPageToken: last === undefined ? '' : tokenOf(last) };
    },
    countLogEntries: async (_request, context) => {
      onlyOperators(context);
      const rows = await database.query<CountRow>(sql.counts);
      return { counts: rows.map((row) => ({ kind: row.kind, event: row.event, count: BigInt(row.entries) })) };
    },
  });
}
