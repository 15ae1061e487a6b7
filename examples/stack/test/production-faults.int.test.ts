import { createMysqlDatabase } from '@paystream/core/mysql';
import { createPulsarClient, Schema } from '@paystream/pulsar';
import { createPulsarAdmin } from '@paystream/pulsar/admin';
import { beforeAll, describe, expect, it } from 'vitest';
import { createStackProcess } from './stack-process.ts';
import { openMysql, openNamespace, type TestMysql, type TestNamespace } from './test-support.ts';

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

const connectTimeoutMs = 10_000;

/** Starts the stack with something wrong, and gives what it prints. */
async function refusal(change: Readonly<Record<string, string>>): Promise<string> {
  await using stack = await createStackProcess({ ...right(), ...change });
  const startedMs = performance.now();
  expect(await stack.fail(), stack.output).toBe(1);
  const tookMs = performance.now() - startedMs;
  // The time-out of a connection, and what a start takes on a busy machine.
  expect(tookMs).toBeLessThan(connectTimeoutMs + 10_000);
  expect(stack.output).not.toMatch(/\n\s+at /);
  expect(stack.output.trim().split('\n').length, stack.output).toBeLessThanOrEqual(3);
  return stack.output;
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

  it('a table of another shape than the schema says', async () => {
    const prefix = 'bent_';
    await using stack = await createStackProcess({ ...right(), PAYSTREAM_TABLE_PREFIX: prefix });
    await stack.start();
    expect(await stack.stop(), stack.output).toBe(0);
    const database = createMysqlDatabase({ url: mysql.url });
    await database.transaction(async (tx) => {
      await tx.execute(`DROP TABLE ${prefix}outbox`);
    });
    await database.close();
    expect(await refusal({ PAYSTREAM_TABLE_PREFIX: prefix })).toMatch(/TABLE_NOT_FOUND.*bent_outbox/s);
  });

  it('no Pulsar there', async () => {
    const output = await refusal({ PAYSTREAM_PULSAR_URL: 'pulsar://127.0.0.1:1' });
    expect(output).toMatch(/no Pulsar broker at pulsar:\/\/127\.0\.0\.1:1.*PAYSTREAM_PULSAR_URL/s);
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
