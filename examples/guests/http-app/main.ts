import { createOrderClient } from '@paystream/order/client';
import { fastify } from 'fastify';
import { order } from '../orders.ts';
import { addOrders } from './fastify.ts'; // or ./express.ts, or ./hono.ts

const app = fastify(); // yours
const orders = await addOrders(app);
const baseUrl = await app.listen({ host: '127.0.0.1', port: 0 });

const client = createOrderClient({ baseUrl, protocol: 'connect' });
console.log((await client.createOrder(order)).items[0]?.name);
await client.close();
await orders.close();
await app.close();
