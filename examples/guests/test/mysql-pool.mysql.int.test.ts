import { createPool } from 'mysql2/promise';
import { expect, inject, it } from 'vitest';
import { ordersOn } from '../mysql-pool/guest.ts';
import { order } from '../orders.ts';

declare module 'vitest' {
  interface ProvidedContext {
    sqlServers: string;
  }
}

it('an order service on the pool of somebody else takes an order, and leaves the pool open when it is closed', async () => {
  const answer = await fetch(`${inject('sqlServers')}/default/start`);
  const server = new URL(((await answer.json()) as { readonly url: string }).url);
  const bare = createPool(server.href);
  const name = `guests_${process.pid}_${Date.now()}`;
  await bare.query(`CREATE DATABASE ${name}`);
  server.pathname = `/${name}`;
  const pool = createPool(server.href);
  const orders = await ordersOn(pool);
  expect((await orders.service.createOrder({ ...order, requestId: 'r-1' })).items[0]?.name).toBe('Green tea');
  await orders.close();
  const [rows] = await pool.query('SELECT count(*) AS n FROM orders_orders');
  expect(rows).toEqual([{ n: 1 }]);
  await pool.end();
  await bare.query(`DROP DATABASE ${name}`);
  await bare.end();
});
