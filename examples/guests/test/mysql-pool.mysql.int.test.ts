import { createPool } from 'mysql2/promise';
import { beforeAll, expect, it } from 'vitest';
import { runExample } from '../../../tools/example.ts';
import { emptyDatabase } from '../../../tools/mysql/empty-database.ts';
import { ordersOn } from '../mysql-pool/guest.ts';
import { order } from '../orders.ts';
import { printedBy } from './printed.ts';

let ofGuest: string;
let ofMain: string;
beforeAll(async () => {
  [ofGuest, ofMain] = [await emptyDatabase(), await emptyDatabase()];
});

it('an order service on the pool of somebody else takes an order, and leaves the pool open when it is closed', async () => {
  const pool = createPool(ofGuest);
  const orders = await ordersOn(pool);
  expect((await orders.service.createOrder({ ...order, requestId: 'r-1' })).items[0]?.name).toBe('Green tea');
  await orders.close();
  const [rows] = await pool.query('SELECT count(*) AS n FROM orders_orders');
  expect(rows).toEqual([{ n: 1 }]);
  await pool.end();
});

it('mysql-pool runs by itself, prints what its README says, and ends', async () => {
  const { code, output } = await runExample('guests/mysql-pool', { PAYSTREAM_MYSQL_URL: ofMain });
  expect(code, output).toBe(0);
  expect(output.trimEnd().split('\n')).toEqual(printedBy('mysql-pool'));
});
