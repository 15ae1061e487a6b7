import { PaystreamError } from '../errors/paystream-error.ts';
import type { SqlValue } from '../sql/port.ts';
import type { Reply, Session } from './connection.ts';
import { fill, type Statement } from './statement.ts';

const duplicateKey = 1062;
const warnings = 'SHOW WARNINGS';

/** Rejects with `INVALID_ARGUMENT` / `VALUE_TOO_LARGE` what the server would cut the connection for. */
export function refuseTooLarge(text: string, session: Session, sql: string): void {
  // A character takes three bytes at most for each unit of UTF-16; counting is needed near the limit only.
  if (text.length * 3 < session.maxStatementBytes) return;
  const bytes = Buffer.byteLength(text);
  if (bytes < session.maxStatementBytes) return;
  throw new PaystreamError(
    'INVALID_ARGUMENT',
    `a statement has ${bytes} bytes and the server's max_allowed_packet is ${session.maxStatementBytes}; in: ${sql}`,
    { reason: 'VALUE_TOO_LARGE', details: { sql } },
  );
}

/**
 * `INSERT IGNORE` makes a warning of every error: a value that is cut off, a row that breaks a rule. Only a key that is taken
 * may be ignored; rejects with what else there was.
 */
async function refuseOtherWarnings(session: Session, reply: Reply, rows: number, sql: string): Promise<void> {
  if (reply.warnings === 0 && reply.affected === rows) return;
  const { rows: found } = await session.run(warnings, warnings);
  const other = (found as readonly { readonly Level: string; readonly Code: number; readonly Message: string }[]).find(
    ({ Level, Code }) => Level !== 'Note' && Code !== duplicateKey,
  );
  if (other === undefined) return;
  throw new PaystreamError('INVALID_ARGUMENT', `MySQL would have ignored this: ${other.Message}; in: ${sql}`, {
    reason: 'VALUE_REFUSED',
    details: { mysqlErrno: String(other.Code), sql },
  });
}

/** Runs text that holds `rows` rows of a statement, and a statement `ahead` of it. */
export async function runText(
  session: Session,
  statement: Statement,
  text: string,
  rows: number,
  ahead?: readonly string[],
): Promise<Reply> {
  const { sql, kind } = statement;
  refuseTooLarge(text, session, sql);
  const reply = await session.run(text, sql, ahead);
  if (kind === 'insertIgnore') await refuseOtherWarnings(session, reply, rows, sql);
  // The server counts a row that is changed twice.
  return kind === 'upsert' && rows === 1 ? { ...reply, affected: Math.min(1, reply.affected) } : reply;
}

/** Runs a statement with one list of parameters. */
export async function runStatement(session: Session, statement: Statement, parameters: readonly SqlValue[]): Promise<Reply> {
  return runText(session, statement, fill(statement.whole, parameters, statement.sql), statement.bulk === undefined ? Number.NaN : 1);
}
