import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { inboxMigrations } from '../inbox/migrations.ts';
import { outboxMigrations } from '../outbox/migrations.ts';
import { exportMigrations } from '../sql/export-migrations.ts';
import type { Database, Migration } from '../sql/port.ts';
import { createMysqlDatabase } from './mysql-database.ts';
import { freshDatabase, type RealServer, realServer, runBare } from './test-support.ts';

const migrations = [...outboxMigrations, ...inboxMigrations];
let real: RealServer;
let url: string;
let database: Database;

beforeAll(async () => {
  real = await realServer();
});

beforeEach(async () => {
  url = await freshDatabase(real);
  database = createMysqlDatabase({ url });
});

afterEach(() => database.close());

const keys = ['consumer', 'event_id'].map((column) => `paystream_inbox.${column} (utf8mb4_general_ci)`).join(', ');
const refused = {
  code: 'FAILED_PRECONDITION',
  reason: 'SCHEMA_WRONG_COLLATION',
  message: expect.stringContaining('ALTER TABLE paystream_inbox CONVERT TO CHARACTER SET utf8mb4 COLLATE'),
};

it('a table whose keys ignore case is refused at each start until the statement of the error was run', async () => {
  await database.migrate(migrations);
  await runBare(url, 'ALTER TABLE paystream_inbox CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci');
  const failures = await Promise.all(
    (['apply', 'check'] as const).map((mode) => database.migrate(migrations, mode).catch((error: unknown) => error)),
  );
  for (const failure of failures) expect(failure).toMatchObject(refused);
  const { columns, mend } = (failures[0] as { details: Readonly<Record<string, string>> }).details;
  expect(columns?.split(', ').sort().join(', ')).toBe(keys);
  // Those of the outbox are as they should be.
  await database.migrate(outboxMigrations, 'check');
  await runBare(url, (mend ?? '').replace(/;$/, ''));
  await database.migrate(migrations);
  await database.migrate(migrations, 'check');
});

it('a schema that a client has loaded without its comments is refused before it takes one event for another', async () => {
  const sql = exportMigrations(inboxMigrations, { dialect: 'mysql' });
  const stripped = sql.replace(/\/\*.*?\*\//gs, '').replace(/^--.*$/gm, '');
  await runBare(
    url,
    ...stripped
      .split(';')
      .map((one) => one.trim())
      .filter((one) => one !== ''),
  );
  await expect(database.migrate(inboxMigrations, 'check')).rejects.toMatchObject({ reason: 'SCHEMA_WRONG_COLLATION' });
});

it('tables of others may compare their keys as they like', async () => {
  const theirs: Migration = {
    name: 'theirs_0001',
    statements: {
      mysql: () => ['CREATE TABLE emails (address VARCHAR(200) PRIMARY KEY) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci'],
    },
  };
  await database.migrate([...migrations, theirs]);
  await database.migrate([...migrations, theirs], 'check');
});
