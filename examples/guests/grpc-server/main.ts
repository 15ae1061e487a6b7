import { promisify } from 'node:util';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { createOrderClient } from '@paystream/order/client';
import { order } from '../orders.ts';
import { addOrders } from './guest.ts';

const server = new Server(); // yours
const orders = await addOrders(server);
const port = await promisify(server.bindAsync.bind(server))('127.0.0.1:0', ServerCredentials.createInsecure());

const client = createOrderClient({ baseUrl: `http://127.0.0.1:${port}` });
console.log((await client.createOrder(order)).items[0]?.name);
await client.close();
await orders.close();
await promisify(server.tryShutdown.bind(server))();
