import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import { createOrderService, seedCatalog, sqlCatalog } from '@paystream/order';
import { type Benchmark, type Contestant, compare, perSecond } from './compare.ts';
import { temporaryFolder } from './support/folder.ts';
import { orderRequest, seed } from './support/orders.ts';

const inFlight = 64;
const perRound = 1_500;

interface Way extends Contestant, AsyncDisposable {}

/** The order service on files of its own, called in this process. */
async function openService(name: string, grouped: boolean): Promise<Way> {
  const folder = await temporaryFolder();
  const broker = await createEmbeddedBroker({ path: folder.path('broker.sqlite') });
  const database = await createSqliteDatabase({ path: folder.path('orders.sqlite'), groupCommits: grouped });
  const catalog = sqlCatalog(database);
  const service = await createOrderService({ database, broker, catalog, ...(grouped ? {} : { groupCommit: { maxSize: 1 } }) });
  await seedCatalog(catalog, [seed]);
  return {
    name,
    round: () => {
      let left = perRound;
      const caller = async (): Promise<void> => {
        while (left-- > 0) await service.createOrder(orderRequest());
      };
      return perSecond(perRound, () => Promise.all(Array.from({ length: inFlight }, caller)));
    },
    [Symbol.asyncDispose]: async () => {
      await service.close();
      await database.close();
      await broker.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export const benchmark: Benchmark = {
  name: 'group-commit',
  question: 'How many times as many orders does the order service store when concurrent ones share a transaction?',
  run: async () => {
    await using measured = await openService('shared transactions', true);
    await using reference = await openService('one transaction an order', false);
    return [await compare({ case: `createOrder, ${inFlight} in flight`, unit: 'orders/s', measured, reference, goal: 3 })];
  },
};
