import { rm } from 'node:fs/promises';
import { type Health, systemClock } from '@paystream/core';
import { createSeededRandom } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import type { LaunchedServices } from '../src/launch/launcher.ts';
import type { ServiceProcess } from '../src/launch/processes.ts';
import { keepPlacing, type Placing } from './keep-placing.ts';
import { percentile } from './mortal/recovery.ts';
import { expectOrderlyStop, expectRightBooks, expectRightRecords, type ProductionRun, startProduction } from './production/test-support.ts';

const kills = Number(process.env['PAYSTREAM_TEST_KILLS'] ?? 30);
const wanted = Number(process.env['PAYSTREAM_TEST_ORDERS'] ?? 3_000);
// As many as shops that wait for each payment: so no more is offered than is settled, and what takes long took long to recover.
const clients = 64;

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

/** A server that all services need but the gateway. */
interface NeededServer {
  /** What `/readyz` says of the engine while it is away. */
  readonly reason: RegExp;
  takeAway(): Promise<void>;
  bringBack(): Promise<void>;
}

const timeout = 60_000;

/** The status of `/readyz`, and what it says of the engine where that is not ready. */
async function readiness(http: string): Promise<{ readonly status: number; readonly engine: string }> {
  const response = await fetch(`${http}/readyz`);
  const { components } = (await response.json()) as Health;
  const engine = components.find(({ name, state }) => name === 'engine' && state !== 'ready');
  return { status: response.status, engine: engine?.detail ?? '' };
}

const processesOf = ({ services }: ProductionRun): readonly object[] =>
  services.processes.map(({ plan, pid, restarts }) => ({ name: plan.name, pid, restarts }));

/**
 * Takes a server away until every service that needs it says so, and brings it back. Fails unless all of them are well again
 * then, in the processes that ran before: who ends, and is started again, has not come through.
 */
async function expectOutlived(run: ProductionRun, server: NeededServer): Promise<void> {
  const { processes } = run.services;
  for (const one of processes) await expect.poll(() => one.ready, { timeout }).toBe(true);
  const inNeed = processes.filter(({ plan }) => plan.service !== 'gateway');
  const everyoneSays = async (expected: object): Promise<void> => {
    for (const { plan } of inNeed) await expect.poll(() => readiness(plan.http), { timeout, message: plan.name }).toEqual(expected);
  };
  await everyoneSays({ status: 200, engine: '' });
  const before = processesOf(run);
  await server.takeAway();
  await everyoneSays({ status: 503, engine: expect.stringMatching(server.reason) });
  await server.bringBack();
  await everyoneSays({ status: 200, engine: '' });
  expect(processesOf(run), run.lastLines()).toEqual(before);
}

it(`loses nothing and charges none twice on Pulsar and MariaDB, each service its own process, through ${kills} kill -9, a restart of the broker and one of the database, and without any restart of their own while each is away`, async () => {
  const random = createSeededRandom(Number(process.env['PAYSTREAM_TEST_SEED'] ?? 1));
  await using run = await startProduction({ sql: 'mariadb' });
  const { services, pulsar, mysql } = run;
  const placing = keepPlacing({ targets: run.grpcOf('order'), clients, random, waitMs: 30_000 });
  const { acknowledged } = placing;
  const third = Math.floor(kills / 3);
  await killSome(services, random, third, placing);
  await pulsar.restartBroker();
  await killSome(services, random, third, placing);
  await mysql.restart();
  await killSome(services, random, kills - 2 * third, placing);
  if (acknowledged.size < wanted) await placing.more(wanted - acknowledged.size);
  // Nobody is killed any more, and orders go on being placed.
  await expectOutlived(run, { reason: /MySQL/, takeAway: mysql.kill, bringBack: mysql.restart });
  await placing.more(clients);
  await expectOutlived(run, { reason: /Pulsar/, takeAway: pulsar.killBroker, bringBack: pulsar.restartBroker });
  await placing.more(clients);
  await placing.stop();

  const books = await expectRightBooks(run);
  const restarts = services.processes.reduce((sum, one) => sum + one.restarts, 0);
  await expectOrderlyStop(run);
  const settleMs = await expectRightRecords(run, acknowledged.values(), books);
  expect(acknowledged.size).toBeGreaterThanOrEqual(wanted);
  expect(restarts).toBeGreaterThanOrEqual(kills);
  console.log(
    `${settleMs.length} orders, ${kills} kills; from order to its end: p50 ${percentile(settleMs, 0.5)} ms, p99 ${percentile(settleMs, 0.99)} ms`,
  );
  await rm(run.directory, { recursive: true, force: true });
});
