import { beforeAll, expect, it } from 'vitest';
import { systemClock } from '../clock/system-clock.ts';
import { createEmbeddedBroker } from '../embedded/index.ts';
import { outboxMigrations } from '../outbox/migrations.ts';
import { createOutbox } from '../outbox/outbox.ts';
import { createMysqlDatabase } from './mysql-database.ts';
import { freshDatabase, type RealServer, realServer, runBare } from './test-support.ts';

let server: RealServer;
let url: string;

beforeAll(async () => {
  server = await realServer();
  url = await freshDatabase(server);
  await runBare(url, 'CREATE TABLE rows_of_tests (id INT PRIMARY KEY, amount BIGINT)', 'INSERT INTO rows_of_tests VALUES (1, 0)');
});

it('keeps the lease of an outbox alive while all other work waits for a row that is locked', { timeout: 30_000 }, async () => {
  const database = createMysqlDatabase({ url, poolSize: 3, lockTimeoutMs: 2_000 });
  await database.migrate(outboxMigrations);
  const broker = await createEmbeddedBroker();
  const outbox = await createOutbox({ database, broker, leaseMs: 1_500 });
  // Not of that pool: whoever holds the row is another process.
  const holder = createMysqlDatabase({ url, poolSize: 1 });
  const change = 'UPDATE rows_of_tests SET amount = amount + 1 WHERE id = 1';
  const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = holder.transaction(async (tx) => {
    await tx.execute(change);
    held.resolve();
    await gate.promise;
  });
  await held.promise;
  const waiting = Array.from({ length: 10 }, () => database.transaction((tx) => tx.execute(change)).catch(() => undefined));
  const left: number[] = [];
  const lease = `SELECT MIN(lease_until) - CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS left_ms FROM ${database.tables('outbox_epochs')}`;
  for (const endMs = systemClock.monotonic() + 5_000; systemClock.monotonic() < endMs; await systemClock.sleep(100)) {
    left.push(Number((await runBare(url, lease))[0]?.['left_ms']));
  }
  gate.resolve();
  await Promise.all([holding, ...waiting]);
  await outbox.close();
  await broker.close();
  for (const one of [database, holder]) await one.close();
  expect(Math.min(...left)).toBeGreaterThan(0);
});

it('tells a process that nothing waits in that it may not write any more, and goes on once it may', { timeout: 30_000 }, async () => {
  const schema = new URL(await freshDatabase(server)).pathname.slice(1);
  const admin = createMysqlDatabase({ url: Object.assign(new URL(url), { pathname: schema }).href });
  await admin.migrate(outboxMigrations);
  // Rights to a whole database bind only connections that are made later.
  const rights = (what: string): string => `${what} ON ${schema}.${admin.tables('outbox_epochs')}`;
  await runBare(
    server.url,
    "CREATE USER 'lease_holder'@'%' IDENTIFIED BY 'holds'",
    `GRANT SELECT ON ${schema}.* TO 'lease_holder'@'%'`,
    `${rights('GRANT INSERT, UPDATE, DELETE')} TO 'lease_holder'@'%'`,
  );
  const database = createMysqlDatabase({
    url: Object.assign(new URL(url), { username: 'lease_holder', password: 'holds', pathname: schema }).href,
  });
  const broker = await createEmbeddedBroker();
  const outbox = await createOutbox({ database, broker, leaseMs: 1_500, migrations: 'check' });
  const said = async (): Promise<string> => (await outbox.check?.().catch(String)) ?? '';
  expect(await said()).toBe('');
  await runBare(server.url, `${rights('REVOKE INSERT, UPDATE')} FROM 'lease_holder'@'%'`);
  await expect.poll(said, { timeout: 10_000 }).toMatch(/OUTBOX_LEASE_LOST.*DATABASE_NO_ACCESS.*UPDATE command denied.*outbox_epochs/);
  await database.ping();
  await runBare(server.url, `${rights('GRANT INSERT, UPDATE')} TO 'lease_holder'@'%'`);
  await expect.poll(said, { timeout: 10_000 }).toBe('');
  await outbox.close();
  await broker.close();
  for (const one of [database, admin]) await one.close();
  await runBare(server.url, "DROP USER 'lease_holder'@'%'");
});
