import { cp } from 'node:fs/promises';
import { createPulsarAdmin } from '@paystream/pulsar/admin';
import { createStackProcess } from '../examples/stack/test/stack-process.ts';
import { startPulsar } from '../tools/pulsar/broker.ts';
import { type Benchmark, type Contestant, compare, type Finding } from './compare.ts';
import { temporaryFolder } from './support/folder.ts';
import { idPrefixes, multiplyRows } from './support/old-orders.ts';
import { multiplyTables } from './support/old-orders-mysql.ts';
import { type MeasuredStack, startMeasuredStack } from './support/settled.ts';
import { sqlOption, startSqlServer } from './support/sql-server.ts';

const base = 2_000;
const perRound = 3_000;
const inFlight = 256;
/** 1000000 takes some minutes and 5 GB; on MariaDB a quarter of an hour and 10 GB. */
const oldOrders = Number(process.env['PAYSTREAM_BENCH_OLD_ORDERS'] ?? 100_000);
const factor = Math.ceil(oldOrders / base);

type Settings = Readonly<Record<string, string>>;
type Options = Readonly<Record<string, unknown>>;

const settling = (name: string, stack: MeasuredStack): Contestant => ({
  name,
  round: async () => perRound / ((await stack.settle(perRound, inFlight)) / 1_000),
});

/** Leaves the first orders behind, in the folder and the tables that these settings name. */
async function placeFirst(settings: Settings): Promise<void> {
  await using first = await startMeasuredStack(settings);
  await first.settle(base, inFlight);
  await first.stop();
}

/** Tables and views under the prefix that these settings name. */
async function makeTables(settings: Settings): Promise<void> {
  await using stack = await createStackProcess(settings);
  await stack.start();
  await stack.stop();
}

async function measure(on: string, few: Settings, many: Settings): Promise<Finding> {
  await using empty = await startMeasuredStack(few);
  await using full = await startMeasuredStack(many);
  return await compare({
    case: `${oldOrders.toLocaleString('en')} old orders, ${on}`,
    unit: 'settled orders/s',
    measured: settling('with them', full),
    reference: settling('with few', empty),
    goal: 0.9,
    rounds: 3,
  });
}

async function embedded(): Promise<Finding> {
  await using folder = await temporaryFolder();
  const settings = (name: string): Settings => ({ PAYSTREAM_DATA_DIR: folder.path(name), PAYSTREAM_GATEWAY_LATENCY_MS: '0' });
  await placeFirst(settings('few'));
  await cp(folder.path('few'), folder.path('many'), { recursive: true });
  const prefixes = idPrefixes(`${folder.path('many')}/paystream.sqlite`);
  for (const file of ['paystream.sqlite', 'gateway.sqlite']) multiplyRows(`${folder.path('many')}/${file}`, prefixes, factor);
  return await measure('embedded', settings('few'), settings('many'));
}

async function production(options: Options): Promise<Finding> {
  await using running = new AsyncDisposableStack();
  const folder = running.use(await temporaryFolder());
  const broker = await startPulsar();
  running.defer(() => broker.stop());
  const database = running.use(await startSqlServer(options));
  const admin = createPulsarAdmin({ url: broker.adminUrl });
  for (const name of ['few', 'many']) await admin.namespaces.create(`public/${name}`);
  const settings = (name: string): Settings => ({
    PAYSTREAM_PROFILE: 'production',
    PAYSTREAM_PULSAR_URL: broker.serviceUrl,
    PAYSTREAM_PULSAR_NAMESPACE: `public/${name}`,
    PAYSTREAM_MYSQL_URL: database.url,
    PAYSTREAM_TABLE_PREFIX: `${name}_`,
    PAYSTREAM_DATA_DIR: folder.path(name),
    PAYSTREAM_GATEWAY_LATENCY_MS: '0',
  });
  await placeFirst(settings('few'));
  await makeTables(settings('many'));
  await cp(folder.path('few'), folder.path('many'), { recursive: true, force: true });
  const prefixes = await multiplyTables(database.url, 'few_', 'many_', factor);
  multiplyRows(`${folder.path('many')}/gateway.sqlite`, prefixes, factor);
  return await measure(`${database.title} and Pulsar`, settings('few'), settings('many'));
}

export const benchmark: Benchmark = {
  name: 'old-rows',
  question: `How much of its rate does the stack keep when ${oldOrders.toLocaleString('en')} orders are there already?`,
  options: { on: '"embedded" or "production", where one of them is enough', ...sqlOption },
  run: async (options) => [
    ...(options['on'] === 'production' ? [] : [await embedded()]),
    ...(options['on'] === 'embedded' ? [] : [await production(options)]),
  ],
};
