import { expect, it } from 'vitest';
import { inboxMigrations } from '../inbox/migrations.ts';
import { outboxMigrations } from '../outbox/migrations.ts';
import { mysqlTableOptions } from '../sql/mysql-table-options.ts';
import type { Migration, SqlRow } from '../sql/port.ts';
import { tableNames } from '../sql/table-names.ts';
import { checkKeyCollations } from './key-collations.ts';

const tables = tableNames('shop_');

/** Checks migrations on a server that answers with these rows. Gives what it was asked. */
async function check(migrations: readonly Migration[], rows: readonly SqlRow[] = []): Promise<readonly string[]> {
  const asked: string[] = [];
  const run = async (text: string) => {
    asked.push(text);
    return { rows, affected: 0, warnings: 0 };
  };
  await checkKeyCollations({ run }, migrations, tables, 'db:3306 as "shop"');
  return asked;
}

const made = (sql: string): Migration => ({ name: sql, statements: { mysql: () => [sql] } });

it('a start costs one question, about nobody else’s tables', async () => {
  const asked = await check([
    ...outboxMigrations,
    ...inboxMigrations,
    made(`CREATE TABLE IF NOT EXISTS kept (id VARCHAR(9) PRIMARY KEY) ${mysqlTableOptions} PARTITION BY KEY (id)`),
    made(`CREATE TABLE users (email VARCHAR(200) COLLATE utf8mb4_general_ci PRIMARY KEY) ${mysqlTableOptions}`),
    made('CREATE TABLE emails (address VARCHAR(200) PRIMARY KEY) COLLATE utf8mb4_general_ci'),
    made('ALTER TABLE others ADD COLUMN more INT'),
  ]);
  expect(asked).toHaveLength(1);
  const names = new Set([...(asked[0] ?? '').matchAll(/TABLE_NAME = '(\w+)'/g)].map(([, name]) => name));
  expect([...names].sort()).toEqual(['kept', 'shop_inbox', 'shop_outbox', 'shop_outbox_epochs']);
  expect(await check([made('CREATE TABLE emails (address VARCHAR(200) PRIMARY KEY)')])).toEqual([]);
});

it.each([
  ['8.4.6', 'utf8mb4_0900_bin'],
  ['10.11.14-MariaDB-deb12', 'utf8mb4_nopad_bin'],
])('keys that another case would be taken for are refused, with what mends them on %s', async (version, collation) => {
  const collationName = 'utf8mb4_general_ci';
  const row = (tableName: string, columnName: string): SqlRow => ({ tableName, columnName, collationName, version });
  const failing = check(inboxMigrations, [row('shop_inbox', 'consumer'), row('shop_inbox', 'event_id')]);
  await expect(failing).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    reason: 'SCHEMA_WRONG_COLLATION',
    message: expect.stringMatching(/db:3306.*shop_inbox\.consumer \(utf8mb4_general_ci\), shop_inbox\.event_id \(utf8mb4_general_ci\)/),
    details: { mend: `ALTER TABLE shop_inbox CONVERT TO CHARACTER SET utf8mb4 COLLATE ${collation};` },
  });
});
