export { catalogMigrations } from './catalog/catalog-tables.ts';
export type { Catalog, CatalogPrice, Merchant, Product } from './catalog/port.ts';
export { type CatalogSeed, seedCatalog } from './catalog/seed-catalog.ts';
export { type PutOptions, type SqlCatalog, type SqlCatalogOptions, sqlCatalog } from './catalog/sql-catalog.ts';
export { staticCatalog } from './catalog/static-catalog.ts';
export { isFinalState, orderStateName } from './order/states.ts';
export type { GroupCommitOptions, OrderServiceOptions } from './service/options.ts';
export { createOrderService } from './service/order-service.ts';
export type {
  CallOptions,
  CancelOrderInput,
  CreateOrderInput,
  GetOrderInput,
  ListOrdersInput,
  OrderService,
  RunningOrderService,
  WaitOrderInput,
  WatchOrderInput,
} from './service/port.ts';
export { orderRpcService } from './service/rpc.ts';
export { orderMigrations } from './store/migrations.ts';
