import { join } from 'node:path';
import { createEmbeddedBroker } from '../embedded/broker/broker.ts';
import { createSqliteDatabase } from '../embedded/database/sqlite-database.ts';
import { defineTopic, type Topic } from '../topic/topic.ts';
import { outboxEvent } from './event.ts';
import { createOutbox } from './outbox.ts';

/** One number for each order. */
export const orders: Topic<number> = defineTopic({
  name: 'orders',
  codec: {
    contentType: 'text/plain',
    encode: (value) => Buffer.from(String(value)),
    decode: (bytes) => Number(Buffer.from(bytes).toString()),
  },
  key: (value) => String(value % 7),
});

export const databasePath = (folder: string): string => join(folder, 'database.db');
export const brokerPath = (folder: string): string => join(folder, 'broker.db');

/** Places orders until it is killed; tells its parent of each that was committed. Every fifth is rolled back. */
async function placeOrders(folder: string, first: number): Promise<void> {
  const database = await createSqliteDatabase({ path: databasePath(folder) });
  const broker = await createEmbeddedBroker({ path: brokerPath(folder) });
  const outbox = await createOutbox({ database, broker });
  await database.transaction((tx) => tx.execute('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY)'));
  let next = first;
  const place = async (): Promise<void> => {
    for (;;) {
      const id = next++;
      try {
        await database.transaction(async (tx) => {
          await tx.execute('INSERT INTO orders (id) VALUES (?)', [id]);
          await outbox.add(tx, [outboxEvent(orders, id), outboxEvent(orders, -id)]);
          if (id % 5 === 0) throw new Error('changed my mind');
        });
        process.send?.(id);
      } catch (error) {
        if (id % 5 !== 0) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, place));
}

const [, , folder, first] = process.argv;
if (process.send !== undefined && folder !== undefined && first !== undefined) await placeOrders(folder, Number(first));
