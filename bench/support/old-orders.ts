import { DatabaseSync } from 'node:sqlite';

/** The first characters of ids that were made within the same minute: all that tells ids of one run from those of another. */
export const prefixLength = 8;
/** Grow with the number of orders; the others are of a size that does not. */
export const growing: RegExp = /(orders|payments|payment_attempts|ledger_transfers|notify_deliveries|log_entries|gateway_charges)$/;
/** Reads the prefixes of the ids in tables of orders and log entries. */
export const prefixesOf = (entries: string, orders: string): string =>
  `SELECT substr(entry_id, 1, ${prefixLength}) AS prefix FROM ${entries}
   UNION SELECT substr(order_id, 1, ${prefixLength}) FROM ${orders} UNION SELECT substr(request_id, 1, ${prefixLength}) FROM ${orders}`;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly pk: number;
}

function columnsOf(database: DatabaseSync, table: string): readonly Column[] {
  return database.prepare(`SELECT name, type, pk FROM pragma_table_info('${table}')`).all() as unknown as readonly Column[];
}

/**
 * Makes many orders of some: copies the rows of every table that grows with orders, under ids that are older. `factor`
 * times as many are there afterwards.
 */
export function multiplyRows(path: string, prefixes: readonly string[], factor: number): void {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144');
  const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as unknown as readonly {
    readonly name: string;
  }[];
  for (const { name: table } of tables.filter(({ name }) => growing.test(name))) {
    const columns = columnsOf(database, table);
    const rowId = columns.find(({ type, pk }) => type === 'INTEGER' && pk === 1 && columns.filter((column) => column.pk > 0).length === 1);
    const copied = columns.filter((column) => column !== rowId);
    const older = (name: string): string =>
      prefixes.reduce((value, prefix, index) => `replace(${value}, '${prefix}', printf('%0${prefixLength}x', ? + ${index}))`, name);
    const values = copied.map(({ name, type }) => (type === 'TEXT' ? older(name) : name));
    const parameters = copied.filter(({ type }) => type === 'TEXT').length * prefixes.length;
    const names = copied.map(({ name }) => name).join(', ');
    database.exec(`CREATE TEMP TABLE base AS SELECT ${names} FROM ${table}`);
    const copy = database.prepare(`INSERT INTO ${table} (${names}) SELECT ${values.join(', ')} FROM base`);
    for (let made = 1; made < factor; made++) {
      database.exec('BEGIN');
      copy.run(...Array.from({ length: parameters }, () => made * prefixes.length));
      database.exec('COMMIT');
    }
    database.exec('DROP TABLE base');
  }
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}

/** The prefixes of the ids in a file of orders. */
export function idPrefixes(path: string): readonly string[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare(prefixesOf('paystream_log_entries', 'paystream_orders')).all() as unknown as readonly {
    readonly prefix: string;
  }[];
  database.close();
  return rows.map(({ prefix }) => prefix);
}
