import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import { createMysqlDatabase } from '@paystream/core/mysql';
import type { Database } from '@paystream/core/sql';
import { createOrderService, seedCatalog, sqlCatalog } from '@paystream/order';
import { type Benchmark, type Contestant, compare, type Finding, perSecond } from './compare.ts';
import { type Folder, temporaryFolder } from './support/folder.ts';
import { orderRequest, seed } from './support/orders.ts';
import { sqlOption, startSqlServer } from './support/sql-server.ts';

const inFlight = 64;
const perRound = 1_500;

interface Way extends Contestant, AsyncDisposable {}

type OpenDatabase = (folder: Folder) => Promise<Database>;

/** The order service on a broker of its own, called in this process. */
async function openService(name: string, grouped: boolean, open: OpenDatabase): Promise<Way> {
  const folder = await temporaryFolder();
  const broker = await createEmbeddedBroker({ path: folder.path('broker.sqlite') });
  const database = await open(folder);
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

async function measure(on: string, shared: OpenDatabase, single: OpenDatabase): Promise<Finding> {
  await using measured = await openService('shared transactions', true, shared);
  await using reference = await openService('one transaction an order', false, single);
  // Before what is measured is closed.
  return await compare({ case: `createOrder on ${on}, ${inFlight} in flight`, unit: 'orders/s', measured, reference, goal: 3 });
}

export const benchmark: Benchmark = {
  name: 'group-commit',
  question: 'How many times as many orders does the order service store when concurrent ones share a transaction?',
  options: sqlOption,
  run: async (options) => {
    await using running = new AsyncDisposableStack();
    const server = running.use(await startSqlServer(options));
    const inFile =
      (groupCommits: boolean): OpenDatabase =>
      (folder) =>
        createSqliteDatabase({ path: folder.path('orders.sqlite'), groupCommits });
    // Each has tables of its own, and as many connections.
    const onServer =
      (tablePrefix: string): OpenDatabase =>
      async () =>
        createMysqlDatabase({ url: server.url, tablePrefix });
    return [await measure('SQLite', inFile(true), inFile(false)), await measure(server.title, onServer('shared_'), onServer('single_'))];
  },
};
