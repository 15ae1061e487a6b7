import { OrderState } from '@paystream/core/contracts';
import { createOrderClient } from '@paystream/order/client';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { createStackProcess, readinessOf } from './stack-process.ts';
import { goodOrder } from './test-stack.ts';
import { openMysql, openNamespace } from './test-support.ts';

const user = "'rights_clerk'@'%'";
const password = 'clerks-secret';
const tablePrefix = 'rights_';
const timeout = 60_000;

it('says by /readyz that MySQL lets it write no more, though nothing is to be done, and goes on in the same process once it may', async () => {
  const [pulsar, mysql] = [await openNamespace('mortal'), await openMysql('mysql')];
  const settings = {
    PAYSTREAM_PROFILE: 'production',
    PAYSTREAM_PULSAR_URL: pulsar.serviceUrl,
    PAYSTREAM_PULSAR_NAMESPACE: pulsar.namespace,
    PAYSTREAM_TABLE_PREFIX: tablePrefix,
  };
  await using owner = await createStackProcess({ ...settings, PAYSTREAM_MYSQL_URL: mysql.url });
  await owner.start();
  expect(await owner.stop(), owner.output).toBe(0);

  const admin = await createConnection(mysql.url);
  const [tables] = await admin.query<(RowDataPacket & { readonly name: string })[]>(
    'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() AND LEFT(table_name, ?) = ?',
    [tablePrefix.length, tablePrefix],
  );
  // For each table: what is granted for the whole database is taken from connections that are made later only.
  const onEach = async (what: string, whom: string): Promise<void> => {
    for (const { name } of tables) await admin.query(`${what} ON ${name} ${whom}`);
  };
  await admin.query(`CREATE USER ${user} IDENTIFIED BY '${password}'`);
  await onEach('GRANT SELECT, INSERT, UPDATE, DELETE', `TO ${user}`);
  const url = Object.assign(new URL(mysql.url), { username: 'rights_clerk', password }).href;
  await using stack = await createStackProcess({ ...settings, PAYSTREAM_MYSQL_URL: url, PAYSTREAM_MIGRATIONS: 'check' });
  await stack.start();
  await using client = createOrderClient({ baseUrl: `http://${stack.grpc}`, protocol: 'grpc', attempts: 1 });
  await expect.poll(() => readinessOf(stack), { timeout }).toEqual({ status: 200, unready: {} });
  const { pid } = stack;
  expect(pid).toBeDefined();

  await onEach('REVOKE INSERT, UPDATE', `FROM ${user}`);
  await expect
    .poll(() => readinessOf(stack), { timeout })
    .toMatchObject({
      status: 503,
      unready: { engine: expect.stringMatching(/^OUTBOX_LEASE_LOST: .*DATABASE_NO_ACCESS: .*UPDATE command denied.*rights_outbox_epochs/) },
    });
  expect((await fetch(`${stack.http}/healthz`)).status).toBe(200);
  await expect(client.createOrder(goodOrder)).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DATABASE_NO_ACCESS' });

  await onEach('GRANT INSERT, UPDATE', `TO ${user}`);
  await expect.poll(() => readinessOf(stack), { timeout: 2 * timeout }).toEqual({ status: 200, unready: {} });
  expect((await client.placeAndWait(goodOrder)).state).toBe(OrderState.PAID);
  expect(stack.pid, stack.output).toBe(pid);
  expect(await stack.stop(), stack.output).toBe(0);
  expect(stack.output).not.toContain(password);
  await admin.query(`DROP USER ${user}`);
  await admin.end();
});
