import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@paystream/core';
import { OrderState } from '@paystream/core/contracts';
import { createMysqlDatabase } from '@paystream/core/mysql';
import { createSeededRandom } from '@paystream/core/testing';
import { readSimulatedBook } from '@paystream/payment/simulated';
import { expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { type LaunchedServices, launchServices } from '../src/launch/launcher.ts';
import type { ServiceProcess } from '../src/launch/processes.ts';
import { createBookReader, faultsIn } from '../src/load/books.ts';
import { keepPlacing, type Placing } from './keep-placing.ts';
import { freePorts, openMysql, openNamespace } from './test-support.ts';
import { jsonLines, twice } from './written-lines.ts';

const kills = Number(process.env['PAYSTREAM_TEST_KILLS'] ?? 30);
const wanted = Number(process.env['PAYSTREAM_TEST_ORDERS'] ?? 3_000);
// As many as shops that wait for each payment: so no more is offered than is settled, and what takes long took long to recover.
const clients = 64;
const replicas = { order: 2, payment: 2, logger: 2 } as const;

/** Every way in which a gateway can go wrong, with waits that are short enough for the run to end soon. */
const behaviour = {
  PAYSTREAM_GATEWAY_LATENCY_MS: '0-150',
  PAYSTREAM_GATEWAY_MIX:
    'approve=66,decline=8,decline-later=8,time-out-after-charging=4,time-out-before-charging=4,error-after-charging=4,error-before-charging=4,duplicate=2',
  PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: '1000',
  PAYSTREAM_PAYMENT_RETRY_DELAY_MS: '500',
  PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: '200,500,1000,2000,5000,10000',
};

/** Kills one process after the other, each once it was ready. The gateway stands for somebody else's, and is left alone. */
async function killSome(services: LaunchedServices, random: { next(): number }, count: number, placing: Placing): Promise<void> {
  const victims = services.processes.filter(({ plan }) => plan.service !== 'gateway');
  for (let killed = 0; killed < count; ) {
    const victim = victims[Math.floor(random.next() * victims.length)] as ServiceProcess;
    if (victim.ready && victim.pid !== undefined) {
      process.kill(victim.pid, 'SIGKILL');
      killed += 1;
    }
    await systemClock.sleep(200 + random.next() * 800);
    // Orders go on being taken: two replicas are never away for long.
    if (killed % 5 === 0) await placing.more(10);
  }
}

it(`loses nothing and charges none twice on Pulsar and MySQL, each service its own process, through ${kills} kill -9, a restart of the broker and one of the database`, async () => {
  const random = createSeededRandom(Number(process.env['PAYSTREAM_TEST_SEED'] ?? 1));
  const directory = await mkdtemp(join(tmpdir(), 'paystream-production-'));
  const [pulsar, mysql, firstPort] = [await openNamespace(), await openMysql(), await freePorts(40)];
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PAYSTREAM_') && !name.startsWith('VITEST'));
  const environment = {
    ...Object.fromEntries(inherited),
    ...behaviour,
    PAYSTREAM_PROFILE: 'production',
    PAYSTREAM_PULSAR_URL: pulsar.serviceUrl,
    PAYSTREAM_PULSAR_NAMESPACE: pulsar.namespace,
    PAYSTREAM_MYSQL_URL: mysql.url,
    PAYSTREAM_DATA_DIR: directory,
    PAYSTREAM_GRPC_PORT: `${firstPort}`,
    PAYSTREAM_HTTP_PORT: `${firstPort + 20}`,
    PAYSTREAM_LOG_LEVEL: 'error',
  };
  const printed: string[] = [];
  const services = await launchServices({
    config: readConfig(environment),
    environment,
    replicas,
    gateway: true,
    clock: systemClock,
    onLine: (name, line) => printed.push(`${name}: ${line}`),
  });
  const grpcOf = (service: string): readonly string[] =>
    services.processes.filter(({ plan }) => plan.service === service).map(({ plan }) => `127.0.0.1:${plan.grpcPort}`);

  const placing = keepPlacing({ targets: grpcOf('order'), clients, random, waitMs: 30_000 });
  const { acknowledged } = placing;
  const third = Math.floor(kills / 3);
  await killSome(services, random, third, placing);
  await pulsar.restartBroker();
  await killSome(services, random, third, placing);
  await mysql.restart();
  await killSome(services, random, kills - 2 * third, placing);
  if (acknowledged.size < wanted) await placing.more(wanted - acknowledged.size);
  await placing.stop();

  const [target = '', payment = '', wallet = '', notify = '', logger = ''] = ['order', 'payment', 'wallet', 'notify', 'logger'].flatMap(
    (service) => grpcOf(service).slice(0, 1),
  );
  for (const one of services.processes) await expect.poll(() => one.ready, { timeout: 60_000 }).toBe(true);
  const books = await createBookReader({ target, at: { payment, wallet, notify, logger }, clock: systemClock }).settled(240_000);
  expect(faultsIn(books), printed.slice(-50).join('\n')).toEqual([]);
  const restarts = services.processes.reduce((sum, one) => sum + one.restarts, 0);
  await services.stop();

  // What follows reads tables and files themselves, not what the services say of them.
  const book = await readSimulatedBook(join(directory, 'gateway', 'gateway.sqlite'));
  expect(book.chargedTwice).toEqual([]);

  await using database = Object.assign(createMysqlDatabase({ url: mysql.url }), {
    [Symbol.asyncDispose]: () => database.close(),
  });
  const orders = await database.query<{ order_id: string; state: number; create_ms: number; update_ms: number }>(
    'SELECT order_id, state, create_ms, update_ms FROM paystream_orders',
  );
  const states = new Map(orders.map((row) => [row.order_id, row.state as OrderState]));
  const final: readonly (OrderState | undefined)[] = [OrderState.PAID, OrderState.DECLINED, OrderState.EXPIRED];
  expect([...acknowledged.values()].filter((orderId) => !final.includes(states.get(orderId)))).toEqual([]);

  const stored = await database.query<{ entry_id: string; event: string; order_id: string }>(
    'SELECT entry_id, event, order_id FROM paystream_log_entries',
  );
  const business = stored.filter((row) => row.event !== '');
  expect(business.filter((row) => row.event === 'order.placed').length).toBe(orders.length);
  expect(twice(stored.map((row) => row.entry_id))).toEqual([]);
  for (const event of ['order.placed', 'order.paid', 'order.declined', 'order.expired', 'payment.settled']) {
    expect(twice(business.filter((row) => row.event === event).map((row) => row.order_id)), event).toEqual([]);
  }
  const lines = [1, 2].flatMap((replica) => jsonLines(join(directory, `logger-${replica}`, 'logs'), /\.jsonl$/));
  const inFiles = lines.map((line) => String(line['entryId']));
  expect(twice(inFiles)).toEqual([]);
  expect(new Set(inFiles)).toEqual(new Set(stored.map((row) => row.entry_id)));

  for (const channel of ['email', 'sms']) {
    const messages = jsonLines(join(directory, 'notify-1', 'notifications'), new RegExp(`^${channel}.*\\.jsonl$`));
    expect(twice(messages.map((line) => String(line['deliveryId'])))).toEqual([]);
    expect(messages.length).toBe(books.paymentsSettled);
  }
  expect((await pulsar.topics()).filter((topic) => topic.endsWith('-dlq'))).toEqual([]);
  expect(acknowledged.size).toBeGreaterThanOrEqual(wanted);
  expect(restarts).toBeGreaterThanOrEqual(kills);

  const settleMs = orders.map((row) => row.update_ms - row.create_ms).sort((a, b) => a - b);
  const p99 = settleMs[Math.floor(settleMs.length * 0.99)];
  console.log(`${orders.length} orders, ${kills} kills; from order to its end: p50 ${settleMs[settleMs.length >> 1]} ms, p99 ${p99} ms`);
  await rm(directory, { recursive: true, force: true });
});
