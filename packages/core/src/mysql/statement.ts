import { PaystreamError } from '../errors/paystream-error.ts';
import { checkParameterCount } from '../sql/parameter-count.ts';
import type { SqlValue } from '../sql/port.ts';
import { listLiteral, literal } from './literal.ts';
import { mysqlDialect } from './mysql-dialect.ts';

/** What a statement does, as far as it matters to how it is run. */
export type StatementKind = 'read' | 'insert' | 'insertIgnore' | 'upsert' | 'write' | 'schema' | 'control';

/** Text with places for parameters: one part more than there are parameters. */
export interface Template {
  readonly parts: readonly string[];
  /** Whether a parameter is a list behind `IN`. */
  readonly lists: readonly boolean[];
}

/** An `UPDATE` of one row by its key, which can be made one of many rows. */
export interface Change {
  /** What stands between `UPDATE` and the first parameter, between parameters, and behind the last. */
  readonly parts: readonly string[];
  /** Whether all that a parameter does is to be compared with a column: `AND k = ?`. */
  readonly compared: readonly boolean[];
}

/** A statement that is ready to be filled in. */
export interface Statement {
  readonly sql: string;
  readonly kind: StatementKind;
  readonly whole: Template;
  /** For an `INSERT` of one row: what stands before the row, the row, and what stands behind it. */
  readonly bulk: { readonly head: string; readonly row: Template; readonly tail: string } | undefined;
  /** For an `UPDATE` of one row by its key. */
  readonly change: Change | undefined;
  /** Whether it changes rows, and others may stand behind it in one text. */
  readonly joins: boolean;
}

/** Quoted texts, quoted names and comments. */
const quoted = /'(?:[^'\\]|\\[\s\S]|'')*'|"(?:[^"\\]|\\[\s\S]|"")*"|`(?:[^`]|``)*`|\/\*[\s\S]*?\*\/|--(?=\s)[^\n]*|#[^\n]*/g;

/** The same text with blanks for all that is quoted or a comment. */
const masked = (sql: string): string => sql.replace(quoted, (text) => ' '.repeat(text.length));

const { inJson } = mysqlDialect;
/** Where the parameter of the list stands. */
const inJsonParameter = inJson.indexOf('?');

function template(sql: string, mask: string): Template {
  const parts: string[] = [];
  const lists: boolean[] = [];
  let from = 0;
  for (let at = mask.indexOf('?'); at !== -1; at = mask.indexOf('?', at + 1)) {
    const list = sql.startsWith(inJson, at - inJsonParameter);
    const start = list ? at - inJsonParameter : at;
    parts.push(sql.slice(from, start));
    lists.push(list);
    from = start + (list ? inJson.length : 1);
  }
  parts.push(sql.slice(from));
  return { parts, lists };
}

function kindOf(mask: string): StatementKind {
  const verb = /[a-z]+/i.exec(mask)?.[0].toUpperCase() ?? '';
  switch (verb) {
    case 'INSERT':
      if (/\bON\s+DUPLICATE\s+KEY\b/i.test(mask)) return 'upsert';
      return /^\s*INSERT\s+(?:\w+_PRIORITY\s+)?IGNORE\b/i.test(mask) ? 'insertIgnore' : 'insert';
    case 'SELECT':
    case 'WITH':
    case 'VALUES':
    case 'SHOW':
    case 'EXPLAIN':
    case 'DESCRIBE':
    case 'DESC':
      return 'read';
    case 'CREATE':
    case 'ALTER':
    case 'DROP':
    case 'TRUNCATE':
    case 'RENAME':
    case 'OPTIMIZE':
    case 'ANALYZE':
      return 'schema';
    case 'BEGIN':
    case 'START':
    case 'COMMIT':
    case 'ROLLBACK':
    case 'SAVEPOINT':
    case 'RELEASE':
    case 'LOCK':
    case 'UNLOCK':
    case 'SET':
    case 'XA':
    case 'USE':
      return 'control';
    default:
      return 'write';
  }
}

function bulkOf(sql: string, mask: string, kind: StatementKind): Statement['bulk'] {
  if (kind !== 'insert' && kind !== 'insertIgnore' && kind !== 'upsert') return undefined;
  const values = /\bVALUES\s*(?=\()/i.exec(mask);
  if (values === null) return undefined;
  const open = values.index + values[0].length;
  let depth = 0;
  let close = open;
  for (; close < mask.length; close++) {
    if (mask[close] === '(') depth += 1;
    if (mask[close] === ')') depth -= 1;
    if (depth === 0) break;
  }
  close += 1;
  const [head, tail] = [mask.slice(0, open), mask.slice(close)];
  // Parameters elsewhere differ from row to row; a comma begins a second row.
  if (head.includes('?') || tail.includes('?') || /^\s*,/.test(tail)) return undefined;
  return { head: sql.slice(0, open), row: template(sql.slice(open, close), mask.slice(open, close)), tail: sql.slice(close) };
}

function changeOf(sql: string): Change | undefined {
  const { oneRow } = mysqlDialect;
  const verb = /^\s*UPDATE\s+(?=[\w`.]+\s+SET\b)/i.exec(sql);
  if (verb === null || !sql.endsWith(oneRow)) return undefined;
  const body = sql.slice(verb[0].length, -oneRow.length);
  const mask = masked(body);
  const { parts, lists } = template(body, mask);
  if (lists.length === 0 || lists.includes(true)) return undefined;
  // Another stands in a subquery.
  const where = mask.match(/\bWHERE\b/gi)?.length === 1 ? mask.search(/\bWHERE\b/i) : -1;
  let at = -1;
  const compared = lists.map((_, index) => {
    const [before = '', behind = ''] = [parts[index], parts[index + 1]];
    at += before.length + 1;
    return where >= 0 && at > where && /[\w`]\s*=\s*$/.test(before) && /^\s*(?:AND\b|$)/i.test(behind);
  });
  return { parts, compared };
}

/** No comment may swallow what stands behind it, and nothing may end it twice. */
const joins = (sql: string): boolean => /^\s*(?:UPDATE|DELETE)\b/i.test(sql) && !/[;#]|--|\/\*/.test(sql.replace(mysqlDialect.oneRow, ''));

/** Connections take several statements at once, for what the library itself puts together. */
function refuseSeveral(sql: string, mask: string): void {
  // The server runs what stands in a comment that begins with an exclamation mark.
  if (!/;\s*\S/.test(mask) && !/\/\*M?![^;]*;/.test(sql)) return;
  throw new PaystreamError('INVALID_ARGUMENT', `only one statement is run at a time: ${sql}`, {
    reason: 'SEVERAL_STATEMENTS',
    details: { sql },
  });
}

function compile(sql: string): Statement {
  const mask = masked(sql);
  refuseSeveral(sql, mask);
  const kind = kindOf(mask);
  return { sql, kind, whole: template(sql, mask), bulk: bulkOf(sql, mask, kind), change: changeOf(sql), joins: joins(sql) };
}

const maxCached = 2_000;

/** Compiles statements, each once. */
export function createStatementCache(): (sql: string) => Statement {
  const cache = new Map<string, Statement>();
  return (sql) => {
    let statement = cache.get(sql);
    if (statement === undefined) {
      statement = compile(sql);
      if (cache.size >= maxCached) cache.clear();
      cache.set(sql, statement);
    }
    return statement;
  };
}

/** Fills parameters in. Throws `INVALID_ARGUMENT` for those that cannot be stored, and for too many or too few. */
export function fill(template: Template, parameters: readonly SqlValue[], sql: string): string {
  const { parts, lists } = template;
  checkParameterCount(lists.length, parameters.length, sql);
  let text = parts[0] ?? '';
  for (let index = 0; index < lists.length; index++) {
    const value = parameters[index];
    text += lists[index] ? listLiteral(value, sql) : literal(value, index, sql);
    text += parts[index + 1];
  }
  return text;
}
