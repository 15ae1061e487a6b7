// The order service by itself, as one process of a deployment: files in a folder, synchronous full.
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import { createOrderService, seedCatalog, sqlCatalog } from '@paystream/order';
import { createOrderServer } from '@paystream/order/server';
import { temporaryFolder } from './folder.ts';
import { seed } from './orders.ts';

const folder = await temporaryFolder();
const broker = await createEmbeddedBroker({ path: folder.path('broker.sqlite') });
const database = await createSqliteDatabase({ path: folder.path('orders.sqlite') });
const catalog = sqlCatalog(database);
const service = await createOrderService({ database, broker, catalog });
await seedCatalog(catalog, [seed]);
const server = await createOrderServer({ service, grpc: { port: 0 }, http: false });
process.send?.(server.grpcAddress);
process.once('disconnect', async () => {
  await server.close();
  await service.close();
  await database.close();
  await broker.close();
  await folder[Symbol.asyncDispose]();
});
