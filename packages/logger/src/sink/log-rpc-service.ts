import { defineRpcService, PaystreamError, type RpcContext, type RpcService } from '@paystream/core';
import { type LogKind, LogService, timestampFromMs } from '@paystream/core/contracts';
import { type Database, defineStatements } from '@paystream/core/sql';

const defaultPageSize = 100;
const mostPerPage = 1_000;

const columns = 'event_date, entry_id, event_time, kind, level, service, event, message, order_id, merchant_id, trace_id, attributes';

const statements = defineStatements(({ tables, dialect }) => {
  const page = `(? = 1 OR merchant_id IN ${dialect.inJson}) ORDER BY event_date DESC, entry_id DESC LIMIT ?`;
  // By day, for a comparison of both columns at once makes MySQL read the table from its end.
  const day = `event_date = ? AND entry_id < ? AND ${page}`;
  const before = `event_date < ? AND ${page}`;
  const all = `SELECT ${columns} FROM ${tables('log_entries')} WHERE`;
  const ofOrder = `${all} order_id = ? AND order_id <> '' AND`;
  return {
    allOfDay: `${all} ${day}`,
    allBefore: `${all} ${before}`,
    orderOfDay: `${ofOrder} ${day}`,
    orderBefore: `${ofOrder} ${before}`,
    counts: `SELECT kind, event, SUM(entries) AS entries FROM ${tables('log_day_counts')} GROUP BY kind, event HAVING SUM(entries) > 0 ORDER BY kind, event`,
  };
});

interface EntryRow {
  readonly event_date: number;
  readonly entry_id: string;
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

/** The end of the page before: its last row's key. */
function cursorOf(token: string): readonly [date: number, entryId: string] {
  if (token === '') return [99_999_999, ''];
  const [, date, entryId] = /^(\d{8})~(.+)$/s.exec(Buffer.from(token, 'base64url').toString()) ?? [];
  if (date === undefined || entryId === undefined) {
    throw new PaystreamError('INVALID_ARGUMENT', 'page_token is none that ListLogEntries returned; leave it empty for the first page', {
      reason: 'INVALID_PAGE_TOKEN',
      violations: [{ field: 'page_token', description: 'must be the next_page_token of an earlier answer, or empty' }],
    });
  }
  return [Number(date), entryId];
}

function tokenOf(row: EntryRow): string {
  return Buffer.from(`${row.event_date}~${row.entry_id}`).toString('base64url');
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
      const merchants = principal.merchants === 'all' ? [1, '[]'] : [0, JSON.stringify([...principal.merchants])];
      const [date, entryId] = cursorOf(request.pageToken);
      const order = request.orderId === '' ? [] : [request.orderId];
      const [ofDay, before] = request.orderId === '' ? [sql.allOfDay, sql.allBefore] : [sql.orderOfDay, sql.orderBefore];
      const found = entryId === '' ? [] : [...(await database.query<EntryRow>(ofDay, [...order, date, entryId, ...merchants, size + 1]))];
      const left = size + 1 - found.length;
      if (left > 0) found.push(...(await database.query<EntryRow>(before, [...order, date, ...merchants, left])));
      const rows = found.slice(0, size);
      const last = rows.at(-1);
      return { entries: rows.map(messageOf), nextPageToken: found.length > size && last !== undefined ? tokenOf(last) : '' };
    },
    countLogEntries: async (_request, context) => {
      onlyOperators(context);
      const rows = await database.query<CountRow>(sql.counts);
      return { counts: rows.map((row) => ({ kind: row.kind, event: row.event, count: BigInt(row.entries) })) };
    },
  });
}
