import { type AddressInfo, createServer } from 'node:net';
import { createMysqlDatabase } from '@paystream/core/mysql';
import { createPulsarClient, Schema } from '@paystream/pulsar';
import { createPulsarAdmin } from '@paystream/pulsar/admin';
import { beforeAll, describe, expect, it } from 'vitest';
import { createStackProcess } from './stack-process.ts';
import { openMysql, openNamespace, refusalOf, type TestMysql, type TestNamespace } from './test-support.ts';

let pulsar: TestNamespace;
let mysql: TestMysql;

beforeAll(async () => {
  [pulsar, mysql] = [await openNamespace('mortal'), await openMysql('mysql')];
});

const right = (): Record<string, string> => ({
  PAYSTREAM_PROFILE: 'production',
  PAYSTREAM_PULSAR_URL: pulsar.serviceUrl,
  PAYSTREAM_PULSAR_NAMESPACE: pulsar.namespace,
  PAYSTREAM_MYSQL_URL: mysql.url,
  PAYSTREAM_TABLE_PREFIX: 'faults_',
});

const refusal = (change: Readonly<Record<string, string>>): Promise<string> => refusalOf({ ...right(), ...change });

/** What takes connections and never says a word. */
async function openSilent(): Promise<{ readonly address: string } & AsyncDisposable> {
  const server = createServer((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

/** Lets a start make the tables under a prefix, and runs statements on the database after that. */
async function bend(prefix: string, ...statements: readonly string[]): Promise<void> {
  await using stack = await createStackProcess({ ...right(), PAYSTREAM_TABLE_PREFIX: prefix });
  await stack.start();
  expect(await stack.stop(), stack.output).toBe(0);
  const database = createMysqlDatabase({ url: mysql.url });
  for (const statement of statements) await database.transaction((tx) => tx.execute(statement));
  await database.close();
}

const withUrl = (change: (url: URL) => void): string => {
  const url = new URL(mysql.url);
  change(url);
  return url.href;
};

describe('a start in production with something wrong ends with one clear message', () => {
  it('no MySQL there', async () => {
    const output = await refusal({ PAYSTREAM_MYSQL_URL: withUrl((url) => (url.port = '1')) });
    expect(output).toMatch(/MYSQL_CONNECT_REFUSED.*127\.0\.0\.1:1.*PAYSTREAM_MYSQL_URL/s);
  });

  it('something that takes the connection where MySQL should be, and says nothing', async () => {
    await using silent = await openSilent();
    const output = await refusal({ PAYSTREAM_MYSQL_URL: withUrl((url) => (url.host = silent.address)) });
    expect(output).toContain(silent.address);
    expect(output).toMatch(/MYSQL_CONNECT_TIMEOUT.*PAYSTREAM_MYSQL_URL/);
    expect(output).not.toContain(new URL(mysql.url).password);
  });

  it('a MySQL that is too old', async () => {
    const { url } = await openMysql('mariadb', 'old');
    const output = await refusal({ PAYSTREAM_MYSQL_URL: url });
    expect(output).toMatch(/MYSQL_TOO_OLD.*10\.4\.0-MariaDB: MySQL 8\.0\.17 or MariaDB 10\.6 is the oldest/);
  });

  it('the wrong password, which is not shown', async () => {
    const output = await refusal({ PAYSTREAM_MYSQL_PASSWORD: 'hunter2' });
    expect(output).toMatch(/MYSQL_CREDENTIALS_REFUSED/);
    expect(output).not.toContain('hunter2');
    expect(output).not.toContain(new URL(mysql.url).password);
  });

  it('no such database', async () => {
    expect(await refusal({ PAYSTREAM_MYSQL_URL: withUrl((url) => (url.pathname = '/nowhere')) })).toMatch(
      /DATABASE_NOT_FOUND|MYSQL_CREDENTIALS_REFUSED/,
    );
  });

  it('no tables, where they are only checked', async () => {
    expect(await refusal({ PAYSTREAM_MIGRATIONS: 'check', PAYSTREAM_TABLE_PREFIX: 'none_' })).toMatch(/SCHEMA_OUT_OF_DATE/);
  });

  it('tables and columns missing that the history of the schema says are there, all of them named at once', async () => {
    await bend('gone_', 'DROP TABLE gone_outbox, gone_log_entries', 'ALTER TABLE gone_payments DROP COLUMN traceparent');
    const missing =
      /SCHEMA_INCOMPLETE.*no table gone_log_entries that .*no table gone_outbox that .*; table gone_payments has no column traceparent\./;
    expect(await refusal({ PAYSTREAM_TABLE_PREFIX: 'gone_' })).toMatch(missing);
    expect(await refusal({ PAYSTREAM_TABLE_PREFIX: 'gone_', PAYSTREAM_MIGRATIONS: 'check' })).toMatch(missing);
  });

  it('no Pulsar there', async () => {
    const output = await refusal({ PAYSTREAM_PULSAR_URL: 'pulsar://127.0.0.1:1' });
    expect(output).toMatch(/no Pulsar broker at pulsar:\/\/127\.0\.0\.1:1.*PAYSTREAM_PULSAR_URL/s);
  });

  it('something that takes the connection where Pulsar should be, and says nothing', async () => {
    await using silent = await openSilent();
    const output = await refusal({ PAYSTREAM_PULSAR_URL: `pulsar://${silent.address}` });
    expect(output).toContain(`no Pulsar broker at pulsar://${silent.address}`);
    expect(output).toMatch(/PULSAR_TIMEOUT.*PAYSTREAM_PULSAR_URL/);
  });

  it('no such namespace', async () => {
    expect(await refusal({ PAYSTREAM_PULSAR_NAMESPACE: 'public/nowhere' })).toMatch(/public\/nowhere/);
  });

  it('no such topic, where the broker makes none by itself', async () => {
    const strict = await openNamespace('mortal');
    const admin = createPulsarAdmin({ url: strict.adminUrl });
    await admin.namespaces.setAutoTopicCreation(strict.namespace, { allowed: false });
    expect(await refusal({ PAYSTREAM_PULSAR_NAMESPACE: strict.namespace, PAYSTREAM_TABLE_PREFIX: 'strict_' })).toMatch(/topic/i);
  });

  it.each(['orders', 'transactions', 'order-updates', 'merchant-wallet-updates', 'order-logs-topic', 'transactions-logs-topic'])(
    'a topic %s whose schema is another one',
    async (name) => {
      const strict = await openNamespace('mortal');
      await createPulsarAdmin({ url: strict.adminUrl }).namespaces.setSchemaValidationEnforced(strict.namespace, true);
      await using client = createPulsarClient({ serviceUrl: strict.serviceUrl });
      await client.createProducer({ topic: `persistent://${strict.namespace}/${name}`, schema: Schema.string() });
      const output = await refusal({ PAYSTREAM_PULSAR_NAMESPACE: strict.namespace, PAYSTREAM_TABLE_PREFIX: 'schema_' });
      expect(output).toMatch(new RegExp(`INCOMPATIBLE_SCHEMA.*"${name}"`));
    },
  );

  it('no gateway where there should be one', async () => {
    const output = await refusal({ PAYSTREAM_GATEWAY_URL: 'http://127.0.0.1:1' });
    expect(output).toMatch(/no gateway at http:\/\/127\.0\.0\.1:1.*PAYSTREAM_GATEWAY_URL/s);
  });
});
