import type { Migration, SqlDialect, TableNames } from './port.ts';

/** The columns of tables, by the table's name, as they are written in the statements. */
export type ColumnsByTable = ReadonlyMap<string, ReadonlySet<string>>;

/** Quoted texts, quoted names, comments, words, and single signs. */
const token = /'(?:[^'\\]|\\[\s\S]|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\/\*[\s\S]*?\*\/|(?:--|#)[^\n]*|[\w$]+|[^\s\w$]/g;

const isComment = (text: string): boolean => /^(?:\/\*|--|#)/.test(text);
const isName = (text: string | undefined): text is string => text !== undefined && /^(?:[\w$]+|"[\s\S]+"|`[\s\S]+`)$/.test(text);
const unquoted = (name: string): string => name.replace(/^["`]|["`]$/g, '');

/** What may stand where else a column is: a key or a condition of the table. */
const notColumn = /^(?:PRIMARY|UNIQUE|INDEX|KEY|FULLTEXT|SPATIAL|CONSTRAINT|CHECK|FOREIGN|PERIOD|LIKE|PARTITION)$/i;

const keyword = (text: string | undefined, ...words: readonly string[]): boolean =>
  text !== undefined && words.includes(text.toUpperCase());

/** Parts that commas separate, but for those in parentheses. */
function parts(tokens: readonly string[]): readonly (readonly string[])[] {
  const found: string[][] = [[]];
  let depth = 0;
  for (const text of tokens) {
    if (text === '(') depth += 1;
    else if (text === ')') depth -= 1;
    if (text === ',' && depth === 0) found.push([]);
    else found.at(-1)?.push(text);
  }
  return found;
}

/** What stands in the parentheses that a list begins with. */
function inside(tokens: readonly string[]): readonly string[] {
  let depth = 0;
  const end = tokens.findIndex((text) => {
    if (text === '(') depth += 1;
    else if (text === ')') depth -= 1;
    return depth === 0;
  });
  return tokens.slice(1, end);
}

/** Carries out one part of an `ALTER TABLE` on columns. Gives false if it does something that is not understood here. */
function alter(columns: Set<string>, action: readonly string[]): boolean {
  const [verb, ...rest] = action;
  const [name] = keyword(rest[0], 'COLUMN') ? rest.slice(1) : rest;
  if (keyword(verb, 'MODIFY')) return true;
  if (!keyword(verb, 'ADD', 'DROP') || !isName(name)) return false;
  if (notColumn.test(name)) return true;
  if (keyword(name, 'IF')) return false;
  if (keyword(verb, 'ADD')) columns.add(unquoted(name));
  else columns.delete(unquoted(name));
  return true;
}

/**
 * The tables and columns that are there once migrations were applied, as far as their statements say: of a table that is changed
 * in a way that is not understood here nothing is expected.
 */
export function expectedColumns(migrations: readonly Migration[], dialect: SqlDialect['name'], tables: TableNames): ColumnsByTable {
  const expected = new Map<string, Set<string>>();
  const run = ([verb, what, ...rest]: readonly string[]): void => {
    if (keyword(verb, 'RENAME')) {
      for (const name of rest) expected.delete(unquoted(name));
      return;
    }
    if (!keyword(what, 'TABLE')) return;
    const optional = keyword(rest[0], 'IF') ? rest.findIndex((text) => keyword(text, 'EXISTS')) + 1 : 0;
    const [name, next, ...behind] = rest.slice(optional);
    // A name with a dot is of another database, or of another schema.
    if (!isName(name) || next === '.') return;
    const table = unquoted(name);
    const columns = expected.get(table);
    if (keyword(verb, 'CREATE')) {
      const definitions = next === '(' ? parts(inside(['(', ...behind])).map(([first]) => first) : [];
      if (columns === undefined)
        expected.set(
          table,
          new Set(
            definitions
              .filter(isName)
              .filter((one) => !notColumn.test(one))
              .map(unquoted),
          ),
        );
    } else if (keyword(verb, 'DROP')) {
      for (const one of rest) expected.delete(unquoted(one));
    } else if (keyword(verb, 'ALTER') && columns !== undefined && next !== undefined) {
      if (!parts([next, ...behind]).every((action) => alter(columns, action))) expected.delete(table);
    }
  };
  for (const { statements } of migrations) {
    for (const sql of statements[dialect]?.(tables) ?? []) run((sql.match(token) ?? []).filter((text) => !isComment(text)));
  }
  return expected;
}
