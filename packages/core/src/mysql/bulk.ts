import type { SqlValue } from '../sql/port.ts';
import type { Session } from './connection.ts';
import { refuseTooLarge, runStatement, runText } from './run-statement.ts';
import { fill, type Statement, type Template } from './statement.ts';

type Bulk = Statement & { readonly bulk: NonNullable<Statement['bulk']> };

/** At most so much in one statement: larger ones gain nothing and hold up what waits for the connection. */
const maxRows = 1_000;
const maxLength = 1_000_000;

const savepoint = 'SAVEPOINT paystream_bulk';
const rollback = 'ROLLBACK TO SAVEPOINT paystream_bulk';

const filled = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);

async function insertIgnore(session: Session, statement: Bulk, rows: readonly string[], ...before: string[]): Promise<number[]> {
  const ahead = rows.length > 1 ? [...before, savepoint] : before;
  const { head, tail } = statement.bulk;
  const { affected } = await runText(session, statement, head + rows.join(',') + tail, rows.length, ahead);
  if (affected === rows.length) return filled(rows.length, 1);
  if (affected === 0) return filled(rows.length, 0);
  // The server does not say which rows were new. Mostly the old ones stand together: they came in one batch before.
  const middle = rows.length >> 1;
  const first = await insertIgnore(session, statement, rows.slice(0, middle), rollback);
  return [...first, ...(await insertIgnore(session, statement, rows.slice(middle)))];
}

async function insertChunk(session: Session, statement: Bulk, rows: readonly string[]): Promise<number[]> {
  if (statement.kind === 'insertIgnore') return insertIgnore(session, statement, rows);
  const { head, tail } = statement.bulk;
  await runText(session, statement, head + rows.join(',') + tail, rows.length);
  return filled(rows.length, 1);
}

/** Fills rows in and hands them over in parts, each at most so large that one round trip takes it. */
async function inParts(
  session: Session,
  { sql }: Statement,
  template: Template,
  rows: readonly (readonly SqlValue[])[],
  run: (part: readonly string[]) => Promise<readonly number[]>,
): Promise<number[]> {
  const affected: number[] = [];
  const most = Math.min(maxLength, session.maxStatementBytes / 4);
  let part: string[] = [];
  let length = 0;
  for (const parameters of rows) {
    const row = fill(template, parameters, sql);
    if (part.length === maxRows || (part.length > 0 && length + row.length > most)) {
      affected.push(...(await run(part)));
      part = [];
      length = 0;
    }
    part.push(row);
    length += row.length;
  }
  if (part.length > 0) affected.push(...(await run(part)));
  return affected;
}

/** Runs a statement with each list of parameters: an `INSERT` with many rows at once. Gives how many rows each changed. */
export async function runMany(session: Session, statement: Statement, rows: readonly (readonly SqlValue[])[]): Promise<number[]> {
  const { bulk, joins, sql, whole } = statement;
  if (bulk !== undefined && rows.length > 1) {
    return inParts(session, statement, bulk.row, rows, (part) => insertChunk(session, { ...statement, bulk }, part));
  }
  if (joins && rows.length > 1) {
    return inParts(session, statement, whole, rows, async (part) => {
      if (part.length === 1) refuseTooLarge(part[0] ?? '', session, sql);
      return (await session.runAll(part, sql)).map((reply) => reply.affected);
    });
  }
  const affected: number[] = [];
  for (const parameters of rows) affected.push((await runStatement(session, statement, parameters)).affected);
  return affected;
}
