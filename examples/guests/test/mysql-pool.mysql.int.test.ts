import { createPool } from 'mysql2/promise';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { runExample } from '../../../tools/example.ts';
import { ordersOn } from '../mysql-pool/guest.ts';
import { order } from '../orders.ts';
import { printedBy } from './printed.ts';

declare module 'vitest' {
  interface ProvidedContext {
    sqlServers: string;
  }
}

const name = `guests_${process.pid}_${Date.now()}`;
let server: URL;

async function onServer(statement: string): Promise<void> {
  const pool = createPool(server.href);
  await pool.query(statement);
  await pool.end();
}

beforeAll(async () => {
  const answer = await fetch(`${inject('sqlServers')}/default/start`);
  server = new URL(((await answer.json()) as { readonly url: string }).url);
  for (const own of ['guest', 'main']) await onServer(`CREATE DATABASE ${name}_${own}`);
});
afterAll(async () => {
  for (const own of ['guest', 'main']) await onServer(`DROP DATABASE ${name}_${own}`);
});

const urlOf = (own: 'guest' | 'main'): string => new URL(`/${name}_${own}`, server).href;

it('an order service on the pool of somebody else takes an order, and leaves the pool open when it is closed', async () => {
  const pool = createPool(urlOf('guest'));
  const orders = await ordersOn(pool);
  expect((await orders.service.createOrder({ ...order, requestId: 'r-1' })).items[0]?.name).toBe('Green tea');
  await orders.close();
  const [rows] = await pool.query('SELECT count(*) AS n FROM orders_orders');
  expect(rows).toEqual([{ n: 1 }]);
  await pool.end();
});

it('mysql-pool runs by itself, prints what its README says, and ends', async () => {
  const { code, output } = await runExample('guests/mysql-pool', { PAYSTREAM_MYSQL_URL: urlOf('main') });
  expect(code, output).toBe(0);
  expect(output.trimEnd().split('\n')).toEqual(printedBy('mysql-pool'));
});
