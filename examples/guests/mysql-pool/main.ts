import { createPool } from 'mysql2/promise';
import { order } from '../orders.ts';
import { ordersOn } from './guest.ts';

const url = process.env['PAYSTREAM_MYSQL_URL'];
if (url === undefined) {
  console.error('Set PAYSTREAM_MYSQL_URL; `npm run mariadb -- start` starts a server and prints its URL.');
  process.exit(1);
}
const pool = createPool(url); // yours
const orders = await ordersOn(pool);
console.log((await orders.service.createOrder({ ...order, requestId: 'r-1' })).items[0]?.name);
await orders.close();
await pool.query('SELECT 1');
await pool.end();
