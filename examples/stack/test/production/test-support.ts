import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@paystream/core';
import { LogKind, OrderState } from '@paystream/core/contracts';
import { createMysqlDatabase } from '@paystream/core/mysql';
import type { Database } from '@paystream/core/sql';
import { sqlCatalog } from '@paystream/order';
import { readSimulatedBook } from '@paystream/payment/simulated';
import { expect } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { type LaunchedServices, type LauncherOptions, launchServices } from '../../src/launch/launcher.ts';
import { type Books, createBookReader, faultsIn } from '../../src/load/books.ts';
import type { ServiceName } from '../../src/service-names.ts';
import { finalStates, type Goods } from '../keep-placing.ts';
import { neighbouringPorts } from '../neighbouring-ports.ts';
import { openMysql, openNamespace, type SqlServer, type TestMysql, type TestNamespace } from '../test-support.ts';
import { fieldOfLines, missing, twice } from '../written-lines.ts';

/** Two of each service. Only the orders of many merchants give both notifiers something to do: {@link addMerchants}. */
export const twoOfEach = { order: 2, payment: 2, wallet: 2, notify: 2, logger: 2 } as const;

/** Every way in which a gateway can go wrong, with waits that are short enough for the run to end soon. */
const behaviour = {
  PAYSTREAM_GATEWAY_LATENCY_MS: '0-150',
  PAYSTREAM_GATEWAY_MIX:
    'approve=66,decline=8,decline-later=8,time-out-after-charging=4,time-out-before-charging=4,error-after-charging=4,error-before-charging=4,duplicate=2',
  PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: '1000',
  PAYSTREAM_PAYMENT_RETRY_DELAY_MS: '500',
  PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: '200,500,1000,2000,5000,10000',
};

/** Every service in processes of its own on a real Pulsar and a real database. */
export interface ProductionRun extends AsyncDisposable {
  /** Where each process has its folder. */
  readonly directory: string;
  readonly pulsar: TestNamespace;
  readonly mysql: TestMysql;
  readonly tablePrefix: string;
  readonly services: LaunchedServices;
  /** Where the processes of a service listen for gRPC. */
  grpcOf(service: ServiceName): readonly string[];
  /** What the processes printed last, for messages of failures. */
  lastLines(): string;
}

/** Options of {@link startProduction}. */
export interface ProductionRunOptions extends Pick<LauncherOptions, 'program' | 'longestRestartMs'> {
  readonly sql: SqlServer;
  /** Default: two of order, payment and logger, one of the others. */
  readonly replicas?: LauncherOptions['replicas'];
  /** Beside the settings of every run. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Called with every line that a process prints. */
  readonly onLine?: (name: string, line: string) => void;
}

/** Starts them on a namespace and tables of their own. Disposing ends them; the folder stays. */
export async function startProduction(options: ProductionRunOptions): Promise<ProductionRun> {
  const directory = await mkdtemp(join(tmpdir(), 'paystream-production-'));
  const [pulsar, mysql, firstPort] = [await openNamespace('mortal'), await openMysql(options.sql), await neighbouringPorts(40)];
  const tablePrefix = `run${systemClock.now().toString(36)}_`;
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PAYSTREAM_') && !name.startsWith('VITEST'));
  const environment = {
    ...Object.fromEntries(inherited),
    ...behaviour,
    PAYSTREAM_PROFILE: 'production',
    PAYSTREAM_PULSAR_URL: pulsar.serviceUrl,
    PAYSTREAM_PULSAR_NAMESPACE: pulsar.namespace,
    PAYSTREAM_MYSQL_URL: mysql.url,
    PAYSTREAM_TABLE_PREFIX: tablePrefix,
    PAYSTREAM_DATA_DIR: directory,
    PAYSTREAM_GRPC_PORT: `${firstPort}`,
    PAYSTREAM_HTTP_PORT: `${firstPort + 20}`,
    PAYSTREAM_LOG_LEVEL: 'error',
    ...options.environment,
  };
  const printed: string[] = [];
  const services = await launchServices({
    ...options,
    config: readConfig(environment),
    environment,
    replicas: options.replicas ?? { order: 2, payment: 2, logger: 2 },
    gateway: true,
    clock: systemClock,
    onLine: (name, line) => {
      printed.push(`${name}: ${line}`);
      if (printed.length > 1_000) printed.splice(0, 500);
      options.onLine?.(name, line);
    },
  });
  return {
    directory,
    pulsar,
    mysql,
    tablePrefix,
    services,
    grpcOf: (service) => services.processes.filter(({ plan }) => plan.service === service).map(({ plan }) => plan.grpc),
    lastLines: () => printed.slice(-50).join('\n'),
    [Symbol.asyncDispose]: () => services.stop(),
  };
}

/** Opens the tables of a run. */
function openTables({ mysql, tablePrefix }: ProductionRun): Database & AsyncDisposable {
  const database = createMysqlDatabase({ url: mysql.url, tablePrefix });
  return Object.assign(database, { [Symbol.asyncDispose]: () => database.close() });
}

/**
 * Adds so many merchants to the catalog of a run, and gives what each sells. What the notifiers receive goes by merchant: with
 * sixteen none of two stays idle.
 */
export async function addMerchants(run: ProductionRun, count: number): Promise<readonly Goods[]> {
  await using database = openTables(run);
  const catalog = sqlCatalog(database, { migrations: 'check' });
  const goods = Array.from({ length: count }, (_, index) => ({ merchantId: `shop-${index}`, productId: 'tea' }));
  await catalog.putMerchants(
    goods.map(({ merchantId }) => ({
      merchantId,
      name: `Tea of ${merchantId}`,
      email: `${merchantId}@example.org`,
      phone: '+4930123456',
      currency: 'EUR',
      bankAccountReference: `ba_${merchantId}`,
    })),
  );
  for (const { merchantId, productId } of goods) {
    await catalog.putProducts(merchantId, [{ productId, name: 'Tea, 100 g', unitPrice: { currency: 'EUR', units: 1_620n } }]);
  }
  return goods;
}

/** Stops all services. Fails unless each ended by itself within the time that its settings give, with nothing left undone. */
export async function expectOrderlyStop({ services, lastLines }: ProductionRun): Promise<void> {
  await services.stop();
  const ends = services.processes.map(({ plan, lastEnd }) => `${plan.name} ended ${lastEnd}`);
  expect(ends, lastLines()).toEqual(services.processes.map(({ plan }) => `${plan.name} ended with code 0`));
}

/** What the services say of their books, once all of them run and nothing is open any more. Fails if anything is wrong with them. */
export async function expectRightBooks(run: ProductionRun): Promise<Books> {
  const [target = '', payment = '', wallet = '', notify = '', logger = ''] = (
    ['order', 'payment', 'wallet', 'notify', 'logger'] as const
  ).flatMap((service) => run.grpcOf(service).slice(0, 1));
  for (const one of run.services.processes) await expect.poll(() => one.ready, { timeout: 60_000 }).toBe(true);
  const books = await createBookReader({ target, at: { payment, wallet, notify, logger }, clock: systemClock }).settled(240_000);
  expect(faultsIn(books), run.lastLines()).toEqual([]);
  return books;
}

/** Events of a business log, by the state that an order ends in: each that happened is there once. */
const eventsOf: readonly (readonly [state: OrderState, ...events: readonly (readonly [event: string, times: number])[]])[] = [
  [OrderState.PAID, ['order.paid', 1], ['payment.settled', 1], ['wallet.sale.booked', 1], ['notification.delivered', 2]],
  [OrderState.DECLINED, ['order.declined', 1], ['payment.declined', 1]],
  [OrderState.EXPIRED, ['order.expired', 1], ['payment.expired', 1]],
];

/** A folder of each process of a service. */
function foldersOf({ directory, services }: ProductionRun, service: ServiceName, folder: string): readonly string[] {
  return services.processes.filter(({ plan }) => plan.service === service).map(({ plan }) => join(directory, plan.name, folder));
}

async function expectEntriesOnce(run: ProductionRun, database: Database, states: ReadonlyMap<string, OrderState>): Promise<void> {
  const entries = database.tables('log_entries');
  const told = await database.query<{ event: string; entries: number; orders: number }>(
    `SELECT event, COUNT(*) AS entries, COUNT(DISTINCT order_id) AS orders FROM ${entries} WHERE kind = ${LogKind.BUSINESS} GROUP BY event`,
  );
  const inState = (state: OrderState): number => [...states.values()].filter((one) => one === state).length;
  const expected = new Map([['order.placed', { entries: states.size, orders: states.size }]]);
  for (const [state, ...events] of eventsOf) {
    for (const [event, times] of events) expected.set(event, { entries: times * inState(state), orders: inState(state) });
  }
  const seen = new Map(told.map(({ event, ...counts }) => [event, counts]));
  expect(new Map([...expected.keys()].map((event) => [event, seen.get(event) ?? { entries: 0, orders: 0 }]))).toEqual(expected);
  const stored = await database.query<{ entry_id: string }>(`SELECT entry_id FROM ${entries}`);
  const entryIds = stored.map((row) => row.entry_id);
  expect(twice(entryIds)).toEqual([]);
  const folders = foldersOf(run, 'logger', 'logs');
  // A night leaves more than a million: too many to be the arguments of a call.
  const inFiles = (await Promise.all(folders.map((folder) => fieldOfLines(folder, /\.jsonl$/, 'entryId')))).flat();
  expect(twice(inFiles)).toEqual([]);
  expect(missing(inFiles, entryIds)).toEqual([]);
  expect(missing(entryIds, inFiles)).toEqual([]);
}

/**
 * Reads tables and files themselves, not what the services say of them; to be called once these are stopped. Fails unless
 * each acknowledged order has come to its end, none was charged twice in the gateway's own book, and each entry and each
 * notification is there once. Gives how long each order took, from its creation to its end, in milliseconds.
 */
export async function expectRightRecords(run: ProductionRun, acknowledged: Iterable<string>, books: Books): Promise<readonly number[]> {
  const book = await readSimulatedBook(join(run.directory, 'gateway', 'gateway.sqlite'));
  expect(book.chargedTwice).toEqual([]);

  await using database = openTables(run);
  const orders = await database.query<{ order_id: string; state: number; create_ms: number; update_ms: number }>(
    `SELECT order_id, state, create_ms, update_ms FROM ${database.tables('orders')}`,
  );
  const states = new Map(orders.map((row) => [row.order_id, row.state as OrderState]));
  expect([...acknowledged].filter((orderId) => !finalStates.has(states.get(orderId)))).toEqual([]);
  await expectEntriesOnce(run, database, states);

  for (const channel of ['email', 'sms']) {
    const pattern = new RegExp(`^${channel}.*\\.jsonl$`);
    const folders = foldersOf(run, 'notify', 'notifications');
    const written = await Promise.all(folders.map((folder) => fieldOfLines(folder, pattern, 'deliveryId')));
    // None was there for show.
    expect(written.filter(({ length }) => length === 0)).toEqual([]);
    // One that dies before it records what it wrote leaves it to the other, which has a file of its own.
    expect(written.flatMap(twice)).toEqual([]);
    expect(new Set(written.flat()).size).toBe(books.paymentsSettled);
  }
  expect((await run.pulsar.topics()).filter((topic) => topic.endsWith('-dlq'))).toEqual([]);
  return orders.map((row) => row.update_ms - row.create_ms);
}
