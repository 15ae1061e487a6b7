import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@paystream/core';
import { OrderState } from '@paystream/core/contracts';
import { inboxMigrations, outboxMigrations, timerMigrations } from '@paystream/core/sql';
import { logSinkMigrations } from '@paystream/logger/sink';
import { notifierMigrations } from '@paystream/notify';
import { catalogMigrations, orderMigrations } from '@paystream/order';
import { createOrderClient, type OrderClient } from '@paystream/order/client';
import { paymentMigrations } from '@paystream/payment';
import { walletMigrations } from '@paystream/payment/wallet';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { allCodeBlocks, writePrograms } from '../../../tools/doc-code.ts';
import { runOrFail } from '../../../tools/workspace.ts';
import { createStackProcess, type StackProcess } from './stack-process.ts';
import { goodOrder } from './test-stack.ts';
import { openMysql, openNamespace, refusalOf, type SqlServer } from './test-support.ts';

const packages = [
  ...[outboxMigrations, inboxMigrations, timerMigrations, catalogMigrations, orderMigrations],
  ...[paymentMigrations, walletMigrations, notifierMigrations, logSinkMigrations],
];
const firstOfEach = packages.flatMap((migrations) => migrations.slice(0, 1).map(({ name }) => name));
const laterOnes = packages.flatMap((migrations) => migrations.slice(1).map(({ name }) => name));

let folder: string;
/** The program of the guide to production that writes the schema. */
let program: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'paystream-export-'));
  const blocks = allCodeBlocks().filter(({ document, code }) => document === 'docs/production.md' && code.includes('exportMigrations('));
  expect(blocks).toHaveLength(1);
  [program = ''] = writePrograms(blocks, 'production-export');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the program writes for these names, as a shell hands them over; for an empty schema without any. */
async function exported(names = ''): Promise<string> {
  const words = names.split(' ').filter((word) => word !== '');
  await runOrFail(process.execPath, ['--conditions=paystream-source', program, ...words], { cwd: folder });
  return readFile(join(folder, 'schema.sql'), 'utf8');
}

/** A database of its own. */
interface OwnDatabase {
  readonly name: string;
  /** Of somebody who may change rows, and no tables. */
  readonly url: string;
  /** Of somebody who may do everything. */
  readonly adminUrl: string;
  /** Runs statements as the latter. Gives the rows of the last. */
  run(sql: string): Promise<readonly Record<string, unknown>[]>;
  /** Lets the services change partitions of the log sink's table, as the guide says. */
  grantPartitions(): Promise<unknown>;
}

let made = 0;

async function openDatabase(server: string): Promise<OwnDatabase> {
  const name = `export_${systemClock.now().toString(36)}_${++made}`;
  const at = (path: string, user: Partial<URL> = {}): string => Object.assign(new URL(path, server), user).href;
  const [adminUrl, url] = [at(`/${name}`), at(`/${name}`, { username: name, password: 'changes-rows' })];
  const runOn = async (uri: string, sql: string): Promise<readonly Record<string, unknown>[]> => {
    const connection = await createConnection({ uri, multipleStatements: true });
    try {
      const [rows] = await connection.query(sql);
      return rows as Record<string, unknown>[];
    } finally {
      await connection.end();
    }
  };
  await runOn(
    server,
    `CREATE DATABASE ${name}; CREATE USER '${name}'@'%' IDENTIFIED BY 'changes-rows';
    GRANT SELECT, INSERT, UPDATE, DELETE ON ${name}.* TO '${name}'@'%'`,
  );
  const run = (sql: string): ReturnType<typeof runOn> => runOn(adminUrl, sql);
  return {
    name,
    url,
    adminUrl,
    run,
    grantPartitions: () => run(`GRANT ALTER, CREATE, DROP ON ${name}.paystream_log_entries TO '${name}'@'%'`),
  };
}

async function partitionsOf({ name, run }: OwnDatabase): Promise<number> {
  const [row] = await run(
    `SELECT COUNT(*) AS partitions FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = '${name}' AND TABLE_NAME = 'paystream_log_entries'`,
  );
  return Number(row?.['partitions']);
}

/** Starts a stack, does something with a client of it, and stops it. */
async function withOrders<T>(stack: StackProcess, work: (orders: OrderClient) => Promise<T>): Promise<T> {
  await stack.start();
  const orders = createOrderClient({ baseUrl: `http://${stack.grpc}`, protocol: 'grpc' });
  const done = await work(orders);
  await orders.close();
  expect(await stack.stop(), stack.output).toBe(0);
  return done;
}

const { merchantId } = goodOrder;

async function pay(orders: OrderClient): Promise<string> {
  const { orderId } = await orders.createOrder(goodOrder);
  const { order } = await orders.waitOrder({ orderId, merchantId, timeout: { seconds: 60n } });
  expect(order?.state).toBe(OrderState.PAID);
  return orderId;
}

/** Copies rows into tables of an older schema, without the columns that these have not. Gives how many each table got. */
async function copyRows(from: OwnDatabase, to: OwnDatabase): Promise<ReadonlyMap<string, number>> {
  const common = await to.run(
    `SELECT theirs.TABLE_NAME AS name, GROUP_CONCAT(theirs.COLUMN_NAME) AS list
     FROM information_schema.TABLES JOIN information_schema.COLUMNS theirs USING (TABLE_SCHEMA, TABLE_NAME)
       JOIN information_schema.COLUMNS ours
       ON ours.TABLE_SCHEMA = '${from.name}' AND ours.TABLE_NAME = theirs.TABLE_NAME AND ours.COLUMN_NAME = theirs.COLUMN_NAME
     WHERE theirs.TABLE_SCHEMA = '${to.name}' AND TABLE_TYPE = 'BASE TABLE' AND theirs.TABLE_NAME NOT LIKE 'paystream_migrations%'
     GROUP BY theirs.TABLE_NAME`,
  );
  const copied = new Map<string, number>();
  for (const { name, list } of common) {
    await to.run(`INSERT INTO ${name} (${list}) SELECT ${list} FROM ${from.name}.${name}`);
    const [row] = await to.run(`SELECT COUNT(*) AS copied FROM ${name}`);
    copied.set(String(name), Number(row?.['copied']));
  }
  // A table that is no more.
  await to.run(
    `INSERT INTO paystream_log_counts (instance, kind, event, entries)
     SELECT instance, kind, event, SUM(entries) FROM ${from.name}.paystream_log_day_counts GROUP BY instance, kind, event`,
  );
  return copied;
}

describe.each<[title: string, flavor: SqlServer]>([
  ['MySQL', 'mysql'],
  ['MariaDB', 'mariadb'],
])('where services may change rows and no tables, on %s', (_, flavor) => {
  let server: string;
  let settings: (url: string, migrations: 'apply' | 'check') => Record<string, string>;

  beforeAll(async () => {
    server = (await openMysql(flavor)).url;
  });

  beforeEach(async () => {
    const { serviceUrl, namespace } = await openNamespace('mortal');
    settings = (url, migrations) => ({
      PAYSTREAM_PROFILE: 'production',
      PAYSTREAM_PULSAR_URL: serviceUrl,
      PAYSTREAM_PULSAR_NAMESPACE: namespace,
      PAYSTREAM_MYSQL_URL: url,
      PAYSTREAM_MIGRATIONS: migrations,
      PAYSTREAM_DATA_DIR: join(folder, namespace),
    });
  });

  it('the SQL that the guide’s program writes of all packages is a schema on which orders are paid', async () => {
    const database = await openDatabase(server);
    const output = await refusalOf(settings(database.url, 'check'));
    for (const name of [...firstOfEach, ...laterOnes].filter((one) => !/^(inbox|timers)_/.test(one))) expect(output).toContain(name);
    await database.run(await exported());

    await using stack = await createStackProcess(settings(database.url, 'check'));
    await withOrders(stack, pay);
    // All that is not allowed is what the guide says.
    expect(stack.output).toMatch(/coming days of log entries got no partitions yet/);
    expect(await partitionsOf(database)).toBe(1);

    await database.grantPartitions();
    await withOrders(stack, pay);
    expect(stack.output).not.toMatch(/partitions/);
    expect(await partitionsOf(database)).toBeGreaterThan(30);
  });

  it('the schema of an older release goes on with its rows once the SQL of what a start says is missing was run', async () => {
    const [now, old] = [await openDatabase(server), await openDatabase(server)];
    await using first = await createStackProcess(settings(now.adminUrl, 'apply'));
    const before = await withOrders(first, pay);
    await old.run(await exported(firstOfEach.join(' ')));
    const copied = await copyRows(now, old);
    for (const table of ['orders', 'payments', 'payment_attempts', 'ledger_transfers', 'notify_deliveries', 'log_entries']) {
      expect([table, copied.get(`paystream_${table}`) ?? 0]).toEqual([table, expect.toSatisfy((rows: number) => rows > 0)]);
    }
    await old.grantPartitions();

    const [, missing = ''] = /SCHEMA_OUT_OF_DATE.*the schema lacks ([\w, ]+):/.exec(await refusalOf(settings(old.url, 'check'))) ?? [];
    expect(missing.split(', ').toSorted()).toEqual(laterOnes.toSorted());
    // All of them at once would be run a second time.
    await expect(old.run(await exported())).rejects.toMatchObject({ code: 'ER_DUP_ENTRY' });
    await old.run(await exported(missing));

    await using second = await createStackProcess(settings(old.url, 'check'));
    const after = await withOrders(second, async (orders) => {
      expect((await orders.getOrder({ orderId: before, merchantId })).state).toBe(OrderState.PAID);
      return pay(orders);
    });
    expect(await old.run('SELECT order_id FROM paystream_payments ORDER BY created_at')).toEqual([
      { order_id: before },
      { order_id: after },
    ]);
    const [log] = await old.run(
      `SELECT (SELECT COUNT(*) FROM paystream_log_entries) AS entries, (SELECT SUM(entries) FROM paystream_log_day_counts) AS counted`,
    );
    expect(Number(log?.['counted'])).toBe(Number(log?.['entries']));
    expect(Number(log?.['entries'])).toBeGreaterThan(copied.get('paystream_log_entries') ?? 0);
  });
});
