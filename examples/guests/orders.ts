// An order service for the examples, embedded or on a database that you have.
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import type { Database } from '@paystream/core/sql';
import { createOrderService, type OrderService, staticCatalog } from '@paystream/order';

/** An order service and all that was made for it. */
export interface Orders {
  readonly service: OrderService;
  /** Closes what `openOrders` made, and nothing else. */
  close(): Promise<void>;
}

/** What the examples order. */
export const order = {
  merchantId: 'm1',
  customer: { customerId: 'c1', name: 'Ada Example', email: 'ada@example.org' },
  paymentMethod: { reference: 'pm_card_visa' },
  items: [{ productId: 'tea', quantity: 2 }],
};

/** Opens an order service in memory, or on a database that stays open. */
export async function openOrders(database?: Database): Promise<Orders> {
  const broker = await createEmbeddedBroker();
  const used = database ?? (await createSqliteDatabase({ path: ':memory:' }));
  const catalog = staticCatalog({ m1: [{ productId: 'tea', name: 'Green tea', unitPrice: { currency: 'EUR', units: 450n } }] });
  const service = await createOrderService({ database: used, broker, catalog });
  return {
    service,
    close: async () => {
      await service.close();
      await broker.close();
      if (used !== database) await used.close();
    },
  };
}
