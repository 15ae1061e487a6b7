import { createConnection } from 'mysql2/promise';
import { createStatementCache, fill } from '../packages/core/src/mysql/statement.ts';
import { type Benchmark, type Contestant, compare, perSecond } from './compare.ts';
import { sqlOption, startSqlServer } from './support/sql-server.ts';

const reads = 3_000;
const transactions = 2_000;
const inserts = 300;
const rowsPerInsert = 50;
const stored = 10_000;

const columns = '(id, state, total_units, content)';
const read = 'SELECT id, state, total_units, content FROM orders WHERE id = ?';
const lock = `${read} FOR UPDATE`;
const insert = `INSERT INTO orders ${columns} VALUES (?, ?, ?, ?)`;
const insertMany = `INSERT INTO orders ${columns} VALUES ${Array.from({ length: rowsPerInsert }, () => '(?, ?, ?, ?)').join(', ')}`;
const content = JSON.stringify({ merchant: 'merchant-1', lines: [{ product: 'a "quoted" one', units: 4_830, currency: 'EUR' }] });

const id = (n: number): string => `order-${String(n).padStart(20, '0')}`;
type Row = [string, string, number, string];
let next = 0;
const row = (): Row => [id(next++), 'placed', 4_830, content];

export const benchmark: Benchmark = {
  name: 'mysql-protocol',
  question: 'Are statements sooner answered as text with the values filled in, as the MySQL adapter sends them, or prepared?',
  options: sqlOption,
  run: async (options) => {
    await using server = await startSqlServer(options);
    const connection = await createConnection({ uri: server.url, multipleStatements: true });
    const compile = createStatementCache();
    const one = compile(insert).bulk;
    const found = compile(read).whole;
    const locked = compile(lock).whole;
    if (one === undefined) throw new Error('an INSERT of one row takes many');
    await connection.query(
      'CREATE TABLE orders (id VARCHAR(64) PRIMARY KEY, state VARCHAR(32) NOT NULL, total_units BIGINT NOT NULL, content TEXT NOT NULL)',
    );
    const fillIn = (rows: readonly Row[]): string => one.head + rows.map((values) => fill(one.row, values, insert)).join(',');
    for (let at = 0; at < stored; at += 500) await connection.query(fillIn(Array.from({ length: 500 }, row)));

    const reading = (name: string, ask: (key: string) => Promise<unknown>): Contestant => ({
      name,
      round: () =>
        perSecond(reads, async () => {
          for (let n = 0; n < reads; n++) await ask(id((n * 7_919) % stored));
        }),
    });
    /** Of one statement that stores nothing, so that the disk has no part in it. */
    const committing = (name: string, run: (key: string) => Promise<unknown>): Contestant => ({
      name,
      round: () =>
        perSecond(transactions, async () => {
          for (let n = 0; n < transactions; n++) {
            await run(id((n * 7_919) % stored));
            await connection.query('COMMIT');
          }
        }),
    });
    /** In one transaction a round, so that the disk has no part in it. */
    const inserting = (name: string, store: (rows: readonly Row[]) => Promise<unknown>): Contestant => ({
      name,
      round: async () => {
        await connection.query('START TRANSACTION');
        const figure = await perSecond(inserts, async () => {
          for (let n = 0; n < inserts; n++) await store(Array.from({ length: rowsPerInsert }, row));
        });
        await connection.query('ROLLBACK');
        return figure;
      },
    });
    try {
      const unit = 'statements/s';
      return [
        await compare({
          case: 'one row read by its key, one after the other',
          unit,
          measured: reading('text', (key) => connection.query(fill(found, [key], read))),
          reference: reading('prepared', (key) => connection.execute(read, [key])),
        }),
        await compare({
          case: 'a transaction that locks one row',
          unit: 'transactions/s',
          measured: committing('text, in two round trips', (key) => connection.query(`START TRANSACTION;${fill(locked, [key], lock)}`)),
          reference: committing('prepared, in three', async (key) => {
            await connection.query('START TRANSACTION');
            await connection.execute(lock, [key]);
          }),
        }),
        await compare({
          case: `${rowsPerInsert} rows inserted by one statement`,
          unit,
          measured: inserting('text', (rows) => connection.query(fillIn(rows))),
          reference: inserting('prepared', (rows) => connection.execute(insertMany, rows.flat())),
        }),
      ];
    } finally {
      await connection.end();
    }
  },
};
