import { createOrderService, orderRpcService, seedCatalog, sqlCatalog } from '@paystream/order';
import { seeds } from '../catalog.ts';
import type { StackService } from '../service.ts';

/** Takes orders, stores and publishes them, and tells what became of them. */
export const orderService: StackService = {
  name: 'order',
  logs: 'orderLogs',
  start: async ({ config, database, broker, outbox, topics, metrics }, logger) => {
    const catalog = sqlCatalog(database, { migrations: config.PAYSTREAM_MIGRATIONS, telemetry: metrics.telemetry });
    await seedCatalog(catalog, seeds);
    const running = await createOrderService({
      database,
      broker,
      outbox,
      catalog,
      topics,
      migrations: config.PAYSTREAM_MIGRATIONS,
      logger,
      telemetry: metrics.telemetry,
      expiryMs: config.PAYSTREAM_PAYMENT_EXPIRY_MS,
    });
    return { running, rpc: [orderRpcService(running)] };
  },
};
