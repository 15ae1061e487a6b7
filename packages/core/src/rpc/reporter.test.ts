import { expect, it } from 'vitest';
import { sqliteError } from '../embedded/sqlite/sqlite-errors.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { LogFields, Logger } from '../logger/port.ts';
import type { Session } from '../mysql/connection.ts';
import { mysqlError } from '../mysql/mysql-errors.ts';
import { refuseTooLarge } from '../mysql/run-statement.ts';
import { createStatementCache } from '../mysql/statement.ts';
import { refuseParameter } from '../sql/refuse-parameter.ts';
import { createErrorReporter } from './reporter.ts';

const where = 'db.internal:3306 as "paystream"';
const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const sql = 'INSERT INTO paystream_orders (order_id) VALUES (?)';
const sqlite = Object.assign(new Error('CHECK constraint failed: orders'), { errcode: 275 });

function reporter(): { readonly report: (thrown: unknown) => PaystreamError; readonly lines: string[]; readonly traces: unknown[] } {
  const lines: string[] = [];
  const traces: unknown[] = [];
  const log = (fields: LogFields, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
    traces.push(fields['traceparent']);
  };
  const logger = { trace: log, debug: log, info: log, warn: log, error: log } as unknown as Logger;
  const report = createErrorReporter({ logger, newId: () => 'id-1' });
  return { report: (thrown) => report(thrown, { method: 'CreateOrder', traceparent }), lines, traces };
}

/** What is thrown before a statement is sent. */
function refused(work: () => unknown): PaystreamError {
  try {
    work();
  } catch (error) {
    return PaystreamError.from(error);
  }
  throw new Error('nothing was refused');
}

it.each<[string, PaystreamError, string, boolean]>([
  [
    'a password that it refuses',
    mysqlError({ errno: 1045, message: "Access denied for 'paystream'@'10.1.2.3'" }, where, sql),
    'UNAVAILABLE',
    true,
  ],
  ['a row that is locked', mysqlError({ errno: 1205, message: 'Lock wait timeout exceeded' }, where, sql), 'ABORTED', true],
  ['a value too long', mysqlError({ errno: 1406, message: "Data too long for column 'note'" }, where, sql), 'INVALID_ARGUMENT', false],
  ['a row that breaks a rule', mysqlError({ errno: 3819, message: "'chk_amount' is violated" }, where, sql), 'FAILED_PRECONDITION', false],
  [
    'a key that is taken',
    mysqlError({ errno: 1062, message: "Duplicate entry 'x' for key 'PRIMARY'" }, where, sql),
    'ALREADY_EXISTS',
    false,
  ],
  [
    'a statement larger than it takes',
    refused(() => refuseTooLarge('x'.repeat(100), { maxStatementBytes: 50 } as Session, sql)),
    'INVALID_ARGUMENT',
    false,
  ],
  ['a parameter that it takes nowhere', refused(() => refuseParameter(undefined, 0, sql)), 'INVALID_ARGUMENT', false],
  ['several statements in one', refused(() => createStatementCache()(`${sql}; DELETE FROM orders`)), 'INVALID_ARGUMENT', false],
  ['a rule of a file', sqliteError(sqlite, '/srv/data/orders.db', 'run', sql), 'FAILED_PRECONDITION', false],
])('a client sees nothing of the database, and finds its error in the log: %s', (_what, thrown, code, retryable) => {
  const { report, lines } = reporter();
  const seen = report(thrown);
  expect(seen).toMatchObject({ code, reason: thrown.reason, retryable, details: { errorId: 'id-1' } });
  expect(seen.cause).toBeUndefined();
  const all = JSON.stringify({ ...seen, message: seen.message });
  for (const secret of ['db.internal', 'paystream', '10.1.2.3', 'INSERT', 'orders', 'note', 'chk_amount', 'PRIMARY']) {
    expect(all).not.toContain(secret);
  }
  expect(seen.message).toContain('id-1');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(thrown.message);
  expect(lines[0]).toContain('id-1');
});

it.each<[string, unknown]>([
  ['a fault of ours', new TypeError('bug')],
  ['a part that is away', new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' })],
  ['a row that is locked', mysqlError({ errno: 1205, message: 'Lock wait timeout exceeded' }, where, sql)],
])('whoever has the id of an error finds the trace of its call: %s', (_what, thrown) => {
  const { report, lines, traces } = reporter();
  expect(report(thrown).details).toEqual({ errorId: 'id-1' });
  expect(lines[0]).toContain('id-1');
  expect(traces).toEqual([traceparent]);
});

it('what speaks of the request passes as it is', () => {
  const { report, lines } = reporter();
  const own = new PaystreamError('ABORTED', 'order 7 was changed', { reason: 'ORDER_CHANGED', details: { orderId: '7' } });
  expect(report(own)).toBe(own);
  expect(lines).toEqual([]);
});
