import type { Broker, Clock, Logger, Random, Telemetry } from '@paystream/core';
import type { PaystreamTopics } from '@paystream/core/contracts';
import type { Database, MigrationMode, Outbox } from '@paystream/core/sql';
import type { Catalog } from '../catalog/port.ts';

/** Options of `createOrderService`. */
export interface OrderServiceOptions {
  /** Where orders are stored. Not closed by the service. */
  readonly database: Database;
  /** What carries events. Not closed by the service. */
  readonly broker: Broker;
  /** Where prices come from. */
  readonly catalog: Catalog;
  /** The outbox of the process, if it has one. Default: one of its own, which it closes. */
  readonly outbox?: Outbox | undefined;
  /** The topics. Default: `paystreamTopics()`. */
  readonly topics?: Pick<PaystreamTopics, 'orders' | 'transactions' | 'orderUpdates' | 'orderLogs'> | undefined;
  /** The durable subscription to `transactions`, shared by all replicas. Default: `order`. */
  readonly subscription?: string | undefined;
  /** For how long after an order was placed its customer may be charged, in milliseconds, up to a hundred years. Default: 120,000. */
  readonly expiryMs?: number | undefined;
  /** A watch on which nothing comes for so long gets a heartbeat, in milliseconds. Default: 15,000. */
  readonly heartbeatMs?: number | undefined;
  /** How often the orders that are waited for are read again, whatever messages came, in milliseconds. Default: 5,000. */
  readonly rereadMs?: number | undefined;
  /** How concurrent `createOrder` calls share transactions. */
  readonly groupCommit?: GroupCommitOptions | undefined;
  /** Apply migrations, or only check that they were. Default: `apply`. */
  readonly migrations?: MigrationMode | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** For the ids. Default: the system's. */
  readonly random?: Random | undefined;
  /** Default: writes nothing. */
  readonly logger?: Logger | undefined;
  /** Gets `paystream_orders_total` by outcome and `paystream_order_transitions_total` by state. Default: keeps nothing. */
  readonly telemetry?: Telemetry | undefined;
}

/** How concurrent `createOrder` calls share transactions. */
export interface GroupCommitOptions {
  /** At most so many orders in one transaction. Default: 256. */
  readonly maxSize?: number | undefined;
  /** At most so many such transactions at once. Default: 1; more helps databases with several writers. */
  readonly concurrency?: number | undefined;
  /** At most so many orders waiting; more are refused with `RESOURCE_EXHAUSTED`. Default: 10,000. */
  readonly maxWaiting?: number | undefined;
}
