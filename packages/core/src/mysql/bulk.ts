import { checkParameterCount } from '../sql/parameter-count.ts';
import type { SqlValue } from '../sql/port.ts';
import { changeText } from './change.ts';
import type { Session } from './connection.ts';
import { refuseTooLarge, runStatement, runText } from './run-statement.ts';
import { type Change, fill, type Statement, type Template } from './statement.ts';

type Bulk = Statement & { readonly bulk: NonNullable<Statement['bulk']> };
type Rows = readonly (readonly SqlValue[])[];

/** At most so much in one statement: larger ones gain nothing and hold up what waits for the connection. */
const maxRows = 1_000;
/** Each of these is a `SELECT`, which costs the server more memory than a row. */
const maxChanges = 256;
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

/** Runs statements one after another behind what goes ahead of them, and gives how many rows each changed. */
async function runEach(session: Session, { sql }: Statement, texts: readonly string[], ...ahead: readonly string[]): Promise<number[]> {
  if (texts.length === 1) refuseTooLarge(texts[0] ?? '', session, sql);
  return (await session.runAll([...ahead, ...texts], sql)).slice(ahead.length).map(({ affected }) => affected);
}

const mostLength = (session: Session): number => Math.min(maxLength, session.maxStatementBytes / 4);

/** Fills rows in and hands them over in parts, each at most so large that one round trip takes it. */
async function inParts(
  session: Session,
  { sql }: Statement,
  template: Template,
  rows: Rows,
  run: (texts: readonly string[]) => Promise<readonly number[]>,
): Promise<number[]> {
  const affected: number[] = [];
  const most = mostLength(session);
  let texts: string[] = [];
  let length = 0;
  const flush = async (): Promise<void> => {
    affected.push(...(await run(texts)));
    texts = [];
    length = 0;
  };
  for (const parameters of rows) {
    const text = fill(template, parameters, sql);
    if (texts.length === maxRows || (texts.length > 0 && length + text.length > most)) await flush();
    texts.push(text);
    length += text.length;
  }
  if (texts.length > 0) await flush();
  return affected;
}

/** Runs a statement with each list of parameters by itself, the first behind what goes ahead of it. */
function runRows(session: Session, statement: Statement, rows: Rows, ...before: readonly string[]): Promise<number[]> {
  let ahead = before;
  return inParts(session, statement, statement.whole, rows, (texts) => {
    const affected = runEach(session, statement, texts, ...ahead);
    ahead = [];
    return affected;
  });
}

async function changeAll(session: Session, statement: Statement, change: Change, rows: Rows): Promise<number[]> {
  const text = rows.length === 1 ? undefined : changeText(change, rows, statement.sql, session.own);
  if (text === undefined) return runRows(session, statement, rows);
  if (text.length > mostLength(session)) {
    const middle = rows.length >> 1;
    const first = await changeAll(session, statement, change, rows.slice(0, middle));
    return [...first, ...(await changeAll(session, statement, change, rows.slice(middle)))];
  }
  const { affected } = await runText(session, statement, text, rows.length, [savepoint]);
  if (affected === rows.length) return filled(rows.length, 1);
  if (affected === 0) return filled(rows.length, 0);
  // The server does not say which were changed.
  return runRows(session, statement, rows, rollback);
}

async function changeMany(session: Session, statement: Statement, change: Change, rows: Rows): Promise<number[]> {
  const { whole, sql } = statement;
  for (const parameters of rows) checkParameterCount(whole.lists.length, parameters.length, sql);
  const affected: number[] = [];
  for (let from = 0; from < rows.length; from += maxChanges) {
    affected.push(...(await changeAll(session, statement, change, rows.slice(from, from + maxChanges))));
  }
  return affected;
}

/** Runs a statement with each list of parameters, where it can be with many at once. Gives how many rows each changed. */
export async function runMany(session: Session, statement: Statement, rows: Rows): Promise<number[]> {
  const { bulk, change, joins } = statement;
  if (rows.length > 1) {
    if (bulk !== undefined) {
      return inParts(session, statement, bulk.row, rows, (texts) => insertChunk(session, { ...statement, bulk }, texts));
    }
    if (change !== undefined) return changeMany(session, statement, change, rows);
    if (joins) return runRows(session, statement, rows);
  }
  const affected: number[] = [];
  for (const parameters of rows) affected.push((await runStatement(session, statement, parameters)).affected);
  return affected;
}
