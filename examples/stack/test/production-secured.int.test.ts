import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OrderState } from '@paystream/core/contracts';
import { createMysqlDatabase } from '@paystream/core/mysql';
import { createOrderClient } from '@paystream/order/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStackProcess } from './stack-process.ts';
import { goodOrder } from './test-stack.ts';
import { openSecuredMysql, openSecuredNamespace, refusalOf, type SecuredMysql, type SecuredNamespace } from './test-support.ts';

let directory: string;
let pulsar: SecuredNamespace;
let mysql: SecuredMysql;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'paystream-secured-'));
  [pulsar, mysql] = [await openSecuredNamespace(), await openSecuredMysql('mysql')];
  await writeFile(tokenFile(), `${pulsar.token}\n`, { mode: 0o600 });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const tokenFile = (): string => join(directory, 'token');

const secured = (): Record<string, string> => ({
  PAYSTREAM_PROFILE: 'production',
  PAYSTREAM_PULSAR_URL: pulsar.serviceUrl,
  PAYSTREAM_PULSAR_NAMESPACE: pulsar.namespace,
  PAYSTREAM_PULSAR_TOKEN_FILE: tokenFile(),
  PAYSTREAM_PULSAR_CA: pulsar.ca,
  PAYSTREAM_MYSQL_URL: mysql.url,
  PAYSTREAM_MYSQL_TLS: 'on',
  PAYSTREAM_MYSQL_CA: mysql.ca,
});

const apiKey = 'key-of-the-tests';
const secrets = (): readonly string[] => [pulsar.token, new URL(mysql.url).password, apiKey];

it('brings an order to its end on a Pulsar and a MySQL that take nobody who is not secured, and shows no secret anywhere', async () => {
  await using stack = await createStackProcess({ ...secured(), PAYSTREAM_LOG_LEVEL: 'trace', PAYSTREAM_API_KEYS: `${apiKey}=*` });
  await stack.start();
  const client = createOrderClient({ baseUrl: `http://${stack.grpc}`, protocol: 'grpc', apiKey });
  const { orderId } = await client.createOrder(goodOrder);
  const { order } = await client.waitOrder({ orderId, merchantId: goodOrder.merchantId, timeout: { seconds: 60n } });
  expect(order?.state).toBe(OrderState.PAID);
  await client.close();
  const pages = await Promise.all(['readyz', 'metrics'].map(async (page) => (await fetch(`${stack.http}/${page}`)).text()));
  expect(await stack.stop(), stack.output).toBe(0);
  expect(stack.output.split('\n').length).toBeGreaterThan(10);
  for (const shown of [...pages, stack.output]) for (const secret of secrets()) expect(shown).not.toContain(secret);
  // The lines of all services that were sent through topics stand in the table.
  const database = createMysqlDatabase({ url: mysql.url, tls: { ca: await readFile(mysql.ca, 'utf8') } });
  const entries = await database.query(`SELECT * FROM ${database.tables('log_entries')}`);
  await database.close();
  expect(entries.length).toBeGreaterThan(2);
  for (const entry of entries) for (const secret of secrets()) expect(Object.values(entry).join(' ')).not.toContain(secret);
});

describe('a start without what secures its links ends with one line that shows no secret', () => {
  it.each([
    [
      'without TLS to a MySQL that wants it',
      { PAYSTREAM_MYSQL_TLS: 'off', PAYSTREAM_MYSQL_CA: '' },
      /MYSQL_CREDENTIALS_REFUSED.*PAYSTREAM_MYSQL_URL/,
    ],
    ['without the authority of MySQL', { PAYSTREAM_MYSQL_CA: '' }, /MYSQL_TLS_REFUSED.*PAYSTREAM_MYSQL_URL/],
    ['without the authority of Pulsar', { PAYSTREAM_PULSAR_CA: '' }, /pulsar\+ssl:.*certificate/],
    [
      'without a token',
      { PAYSTREAM_PULSAR_TOKEN_FILE: '' },
      /UNAUTHENTICATED.*refuses whoever has no token: set PAYSTREAM_PULSAR_TOKEN_FILE/,
    ],
    [
      'with a token that is none',
      { PAYSTREAM_PULSAR_TOKEN_FILE: '', PAYSTREAM_PULSAR_TOKEN: 'hunter2' },
      /UNAUTHENTICATED.*refuses the token in PAYSTREAM_PULSAR_TOKEN/,
    ],
  ])('%s', async (_, change, message) => {
    const output = await refusalOf({ ...secured(), ...change });
    expect(output).toMatch(message);
    for (const secret of [pulsar.token, new URL(mysql.url).password, 'hunter2']) expect(output).not.toContain(secret);
  });
});
