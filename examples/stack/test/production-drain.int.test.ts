import { rm } from 'node:fs/promises';
import { systemClock } from '@paystream/core';
import { createSeededRandom } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import type { ServiceProcess } from '../src/launch/processes.ts';
import { keepPlacing, type Placing } from './keep-placing.ts';
import { expectOrderlyStop, expectRightBooks, expectRightRecords, type ProductionRun, startProduction } from './production/test-support.ts';

const clients = 16;
const { PAYSTREAM_SHUTDOWN_TIMEOUT_MS: drainMs } = readConfig({});

/** Asks a process to stop while orders are under way. Fails unless it ends in good order within the time that its settings give; it is started again then. */
async function drain({ lastLines }: ProductionRun, one: ServiceProcess, placing: Placing): Promise<void> {
  const { pid, plan } = one;
  if (pid === undefined) throw new Error(`${plan.name} does not run`);
  const askedMs = systemClock.monotonic();
  expect(placing.oldestMs, 'an order is under way').toBeLessThan(askedMs);
  process.kill(pid, 'SIGTERM');
  await expect.poll(() => one.pid, { timeout: 2 * drainMs, interval: 5, message: `${plan.name} ends` }).not.toBe(pid);
  expect(systemClock.monotonic() - askedMs, `${plan.name} ends in time`).toBeLessThan(drainMs);
  expect(`${plan.name} ended ${one.lastEnd}`, lastLines()).toBe(`${plan.name} ended with code 0`);
  await expect.poll(() => one.ready, { timeout: 60_000, message: `${plan.name} is ready again` }).toBe(true);
}

it('loses nothing and charges none twice while orders are placed all the time and each process in turn is stopped and started again', async () => {
  const random = createSeededRandom(Number(process.env['PAYSTREAM_TEST_SEED'] ?? 1));
  await using run = await startProduction({ sql: 'mysql' });
  const placing = keepPlacing({ targets: run.grpcOf('order'), clients, random, waitMs: 30_000 });
  // The gateway stands for somebody else's, and is left alone.
  const inTurn = run.services.processes.filter(({ plan }) => plan.service !== 'gateway');
  for (const one of inTurn) {
    await placing.more(2 * clients);
    await drain(run, one, placing);
  }
  await placing.more(2 * clients);
  await placing.stop();

  const books = await expectRightBooks(run);
  await expectOrderlyStop(run);
  await expectRightRecords(run, placing.acknowledged.values(), books);
  expect(inTurn.map(({ restarts }) => restarts)).toEqual(inTurn.map(() => 1));
  await rm(run.directory, { recursive: true, force: true });
});
