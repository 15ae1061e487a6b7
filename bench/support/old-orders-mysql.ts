import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { growing, prefixesOf, prefixLength } from './old-orders.ts';

async function rowsOf(connection: Connection, sql: string, values: string[] = []): Promise<readonly RowDataPacket[]> {
  return (await connection.query<RowDataPacket[]>(sql, values))[0];
}

const named = (rows: readonly RowDataPacket[]): readonly string[] => rows.map((row) => String(row['name']));

const tablesWith = async (connection: Connection, prefix: string): Promise<readonly string[]> =>
  named(
    await rowsOf(
      connection,
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND LEFT(table_name, ?) = ?",
      [String(prefix.length), prefix],
    ),
  );

/** Copies the rows of every table whose name begins with `from` to the one that begins with `to`. */
async function copyRows(connection: Connection, from: string, to: string): Promise<void> {
  for (const table of await tablesWith(connection, from)) {
    await connection.query(`REPLACE INTO ${to + table.slice(from.length)} SELECT * FROM ${table}`);
  }
}

async function multiplyTable(connection: Connection, table: string, prefixes: readonly string[], factor: number): Promise<void> {
  const columns = await rowsOf(
    connection,
    "SELECT column_name AS name, data_type AS type FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? AND extra <> 'auto_increment' ORDER BY ordinal_position",
    [table],
  );
  const names = named(columns);
  await connection.query(`CREATE TEMPORARY TABLE base AS SELECT * FROM ${table}`);
  for (let made = 1; made < factor; made++) {
    const values = columns.map(({ name, type }) =>
      /char|text/.test(type)
        ? prefixes.reduce(
            (value, prefix, index) =>
              `REPLACE(${value}, '${prefix}', '${(made * prefixes.length + index).toString(16).padStart(prefixLength, '0')}')`,
            name as string,
          )
        : name,
    );
    await connection.query(`INSERT INTO ${table} (${names.join(', ')}) SELECT ${values.join(', ')} FROM base`);
  }
  await connection.query('DROP TEMPORARY TABLE base');
  await connection.query(`ANALYZE TABLE ${table}`);
}

/**
 * Copies the rows of one stack to those of another on the same server, which has its tables already, and makes many orders of few there: copies the rows
 * of every table that grows with orders, under ids that are older. `factor` times as many are there afterwards. Gives the
 * prefixes of the ids that there were.
 */
export async function multiplyTables(url: string, from: string, to: string, factor: number): Promise<readonly string[]> {
  const connection = await createConnection({ uri: url });
  try {
    const prefixes = (await rowsOf(connection, prefixesOf(`${from}log_entries`, `${from}orders`))).map((row) => String(row['prefix']));
    await copyRows(connection, from, to);
    for (const table of await tablesWith(connection, to)) {
      if (growing.test(table)) await multiplyTable(connection, table, prefixes, factor);
    }
    return prefixes;
  } finally {
    await connection.end();
  }
}
