import type { SqlValue } from '../sql/port.ts';
import type { Session } from './connection.ts';
import { refuseTooLarge, runStatement, runText } from './run-statement.ts';
import { fill, type Statement, type Template } from './statement.ts';

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

/** Runs statements one after another, and gives how many rows each changed. */
async function runEach(session: Session, { sql }: Statement, texts: readonly string[]): Promise<number[]> {
  if (texts.length === 1) refuseTooLarge(texts[0] ?? '', session, sql);
  return (await session.runAll(texts, sql)).map(({ affected }) => affected);
}

async function changeAll(
  session: Session,
  statement: Statement,
  change: Bulk['bulk'],
  texts: readonly string[],
  rows: Rows,
): Promise<number[]> {
  const text = change.head + texts.join('') + change.tail;
  const { affected } = await runText(session, statement, text, rows.length, [savepoint]);
  if (affected === rows.length) return filled(rows.length, 1);
  if (affected === 0) return filled(rows.length, 0);
  // The server does not say which were changed.
  const each = rows.map((parameters) => fill(statement.whole, parameters, statement.sql));
  return (await runEach(session, statement, [rollback, ...each])).slice(1);
}

/** Fills rows in and hands them over in parts, each at most so large that one round trip takes it. */
async function inParts(
  session: Session,
  { sql }: Statement,
  template: Template,
  most: number,
  rows: Rows,
  run: (texts: readonly string[], rows: Rows) => Promise<readonly number[]>,
): Promise<number[]> {
  const affected: number[] = [];
  const mostLength = Math.min(maxLength, session.maxStatementBytes / 4);
  let texts: string[] = [];
  let length = 0;
  let done = 0;
  const flush = async (): Promise<void> => {
    affected.push(...(await run(texts, rows.slice(done, done + texts.length))));
    done += texts.length;
    texts = [];
    length = 0;
  };
  for (const parameters of rows) {
    const text = fill(template, parameters, sql);
    if (texts.length === most || (texts.length > 0 && length + text.length > mostLength)) await flush();
    texts.push(text);
    length += text.length;
  }
  if (texts.length > 0) await flush();
  return affected;
}

/** Runs a statement with each list of parameters, where it can be with many at once. Gives how many rows each changed. */
export async function runMany(session: Session, statement: Statement, rows: Rows): Promise<number[]> {
  const { bulk, change, joins, whole } = statement;
  if (rows.length > 1) {
    if (bulk !== undefined) {
      return inParts(session, statement, bulk.row, maxRows, rows, (texts) => insertChunk(session, { ...statement, bulk }, texts));
    }
    if (change !== undefined) {
      return inParts(session, statement, change.row, maxChanges, rows, (texts, part) => changeAll(session, statement, change, texts, part));
    }
    if (joins) return inParts(session, statement, whole, maxRows, rows, (texts) => runEach(session, statement, texts));
  }
  const affected: number[] = [];
  for (const parameters of rows) affected.push((await runStatement(session, statement, parameters)).affected);
  return affected;
}
