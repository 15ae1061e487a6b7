import { createMysqlDatabase } from '@paystream/core/mysql';
import type { Pool } from 'mysql2/promise';
import { type Orders, openOrders } from '../orders.ts';

/** An order service whose tables lie behind a pool of yours, with a prefix of their own. */
export async function ordersOn(pool: Pool): Promise<Orders> {
  const database = createMysqlDatabase({ pool, tablePrefix: 'orders_' });
  const orders = await openOrders(database);
  return {
    service: orders.service,
    close: async () => {
      await orders.close();
      await database.close(); // waits for its transactions, and leaves the pool open
    },
  };
}
