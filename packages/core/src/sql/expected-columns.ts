import type { Migration, SqlDialect, TableNames } from './port.ts';

/** The columns of tables, by the table's name, as they are written in the statements. */
export type ColumnsByTable = ReadonlyMap<string, ReadonlySet<string>>;

/** How a dialect is read. */
interface Lexicon {
  /** Quoted texts, quoted names, comments, words, and single signs. */
  readonly token: RegExp;
  readonly comment: RegExp;
  /** Words with which an entry of the list of columns begins that is no column. */
  readonly notColumn: RegExp;
}

const lexicons: Readonly<Record<SqlDialect['name'], Lexicon>> = {
  sqlite: {
    token: /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\/\*[\s\S]*?\*\/|--[^\n]*|[\w$\u0080-\uffff]+|\S/g,
    comment: /^(?:\/\*|--)/,
    notColumn: /^(?:PRIMARY|UNIQUE|CONSTRAINT|CHECK|FOREIGN)$/i,
  },
  mysql: {
    // What stands in a comment with a version is read: it is run.
    token:
      /'(?:[^'\\]|\\[\s\S]|'')*'|"(?:[^"\\]|\\[\s\S]|"")*"|`(?:[^`]|``)*`|\/\*M?!\d*|\*\/|\/\*[\s\S]*?\*\/|--(?=\s)[^\n]*|#[^\n]*|[\w$\u0080-\uffff]+|\S/g,
    comment: /^(?:\/\*|\*\/|--|#)/,
    notColumn: /^(?:PRIMARY|UNIQUE|INDEX|KEY|FULLTEXT|SPATIAL|VECTOR|CONSTRAINT|CHECK|FOREIGN|PERIOD|SYSTEM|LIKE|PARTITION)$/i,
  },
};

interface Table {
  readonly name: string;
  /** By their names in lower case: databases take no notice of it. */
  readonly columns: Map<string, string>;
}

/** Actions of `ALTER TABLE` that leave the names of columns as they are. */
const harmless: readonly string[] = ['MODIFY', 'ALGORITHM', 'LOCK'];

const isName = (text: string | undefined): text is string =>
  text !== undefined && /^(?:[\w$\u0080-\uffff]+|"[\s\S]+"|`[\s\S]+`)$/.test(text);
const keyword = (text: string | undefined, ...words: readonly string[]): boolean =>
  text !== undefined && words.includes(text.toUpperCase());

function unquoted(name: string): string {
  const quote = name[0] ?? '';
  return quote === '"' || quote === '`' ? name.slice(1, -1).replaceAll(quote + quote, quote) : name;
}

const keyOf = (name: string): string => unquoted(name).toLowerCase();

/** The parts that commas separate, up to the parenthesis that closes what is around them. */
function parts(tokens: readonly string[]): readonly (readonly string[])[] {
  const found: string[][] = [[]];
  let depth = 0;
  for (const text of tokens) {
    if (text === '(') depth += 1;
    else if (text === ')') depth -= 1;
    if (depth < 0) break;
    if (text === ',' && depth === 0) found.push([]);
    else found.at(-1)?.push(text);
  }
  return found;
}

/** The columns of `(a INT, b INT)`. None, where there is a query. */
function definedColumns([open, ...definitions]: readonly string[], { notColumn }: Lexicon): Map<string, string> {
  const list = open === '(' && !keyword(definitions[0], 'SELECT', 'WITH', 'VALUES') ? parts(definitions) : [];
  const names = list.map(([first]) => first).filter((name) => isName(name) && !notColumn.test(name)) as readonly string[];
  return new Map(names.map((name) => [keyOf(name), unquoted(name)]));
}

/** Leaves out `IF EXISTS` and `IF NOT EXISTS`. */
const unconditional = (tokens: readonly string[]): readonly string[] =>
  keyword(tokens[0], 'IF') ? tokens.slice(tokens.findIndex((text) => keyword(text, 'EXISTS')) + 1) : tokens;

/** Carries out an action of `ALTER TABLE` on columns. Gives false if it is not understood here. */
function alter(columns: Map<string, string>, [verb, ...rest]: readonly string[], { notColumn }: Lexicon): boolean {
  if (keyword(verb, ...harmless)) return true;
  const saysColumn = keyword(rest[0], 'COLUMN');
  const [name] = unconditional(saysColumn ? rest.slice(1) : rest);
  if (!keyword(verb, 'ADD', 'DROP') || !isName(name)) return false;
  if (keyword(verb, 'DROP')) columns.delete(keyOf(name));
  else if (saysColumn || !notColumn.test(name)) columns.set(keyOf(name), unquoted(name));
  return true;
}

/** Carries out a statement on tables. What is not understood here makes all tables be forgotten that it names. */
function run(tables: Map<string, Table>, tokens: readonly string[], lexicon: Lexicon): void {
  const [verb, what, ...rest] = tokens;
  if (!keyword(verb, 'CREATE', 'ALTER', 'DROP', 'RENAME')) return;
  const [name, ...behind] = unconditional(rest);
  if (keyword(verb, 'CREATE', 'ALTER') && keyword(what, 'TABLE') && isName(name) && behind[0] !== '.') {
    const table = tables.get(keyOf(name));
    if (keyword(verb, 'CREATE')) {
      // With a condition it may have been there before, and have other columns.
      const columns = keyword(rest[0], 'IF') ? new Map<string, string>() : definedColumns(behind, lexicon);
      if (table === undefined) tables.set(keyOf(name), { name: unquoted(name), columns });
      return;
    }
    if (table === undefined || parts(behind).every((action) => alter(table.columns, action, lexicon))) return;
  }
  if (keyword(verb, 'RENAME') || tokens.slice(1, 4).some((text) => keyword(text, 'TABLE', 'TABLES'))) {
    for (const text of tokens) tables.delete(keyOf(text));
  }
}

/**
 * The tables and columns that are there once migrations were applied, as far as their statements say: of a table that is changed
 * in a way that is not understood here nothing is expected.
 */
export function expectedColumns(migrations: readonly Migration[], dialect: SqlDialect['name'], tableNames: TableNames): ColumnsByTable {
  const lexicon = lexicons[dialect];
  const tables = new Map<string, Table>();
  // In the order in which they are applied.
  for (const { statements } of migrations.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    for (const sql of statements[dialect]?.(tableNames) ?? []) {
      run(
        tables,
        (sql.match(lexicon.token) ?? []).filter((text) => !lexicon.comment.test(text)),
        lexicon,
      );
    }
  }
  return new Map([...tables.values()].map(({ name, columns }) => [name, new Set(columns.values())]));
}
