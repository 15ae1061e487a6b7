import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { PaystreamError } from '@paystream/core';
import { createSeededRandom } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { keepPlacing } from './keep-placing.ts';
import { mortalProgram, openHand } from './mortal/hand.ts';
import { type Kill, killMany } from './mortal/kills.ts';
import { deathPoints } from './mortal/points.ts';
import { type OrderSpan, percentile, type Recovery, recoveriesOf, recoveryLine, recoveryRows, undisturbedMs } from './mortal/recovery.ts';
import {
  addMerchants,
  expectOrderlyStop,
  expectRightBooks,
  expectRightRecords,
  startProduction,
  twoOfEach,
} from './production/test-support.ts';

// For every change each named point once; for the night as many kills as are asked for, half of them at named points.
const asked = process.env['PAYSTREAM_TEST_KILLS'];
const atPoints = asked === undefined ? deathPoints.length : Math.ceil(Number(asked) / 2);
const atRandom = asked === undefined ? 2 : Math.floor(Number(asked) / 2);
const kills = atPoints + atRandom;
const wanted = Number(process.env['PAYSTREAM_TEST_ORDERS'] ?? 0);
const clients = asked === undefined ? 16 : 64;
const night = asked !== undefined;
const report = process.env['PAYSTREAM_TEST_REPORT'];
const timeout = 300_000 + kills * 60_000;

function write(recoveries: readonly Recovery[]): void {
  if (report !== undefined) writeFileSync(report, recoveries.map((one) => `${recoveryLine(one)}\n`).join(''));
}

/** From a kill to the end of the last order that was under way: 99 of 100 kills, once there are enough of them to say so. */
const longestRecoveryMs = 10_000;

function tell(kills: readonly Kill[], orders: readonly OrderSpan[]): void {
  const recoveries = recoveriesOf(kills, orders);
  const calmMs = undisturbedMs(kills, orders);
  console.table(recoveryRows(recoveries));
  console.log(
    `${kills.length} kills, ${orders.length} orders; those that no kill disturbed took p50 ${percentile(calmMs, 0.5)} ms, p99 ${percentile(calmMs, 0.99)} ms`,
  );
  write(recoveries);
}

it(`loses nothing and charges none twice on Pulsar and MySQL through ${kills} kill -9, ${atPoints} of them between two steps with a name`, {
  timeout,
}, async () => {
  const random = createSeededRandom(Number(process.env['PAYSTREAM_TEST_SEED'] ?? 1));
  await using hand = await openHand();
  // A process that is killed often is not one that cannot run: it is started again as soon as one that was killed once.
  const { environment, hear } = hand;
  await using run = await startProduction({
    sql: 'mysql',
    // What a kill costs is measured where wallet and notifier have nobody beside them.
    ...(night ? {} : { replicas: twoOfEach }),
    program: mortalProgram,
    environment,
    onLine: hear,
    longestRestartMs: 500,
  });
  const orders: OrderSpan[] = [];
  const placing = keepPlacing({
    targets: run.grpcOf('order'),
    clients,
    random,
    goods: await addMerchants(run, 16),
    waitMs: 30_000,
    // A steady load, which leaves the machine room to start what was killed.
    pauseMs: night ? 2_000 : 0,
    onFinal: (order) => orders.push(order),
  });
  await placing.more(clients);
  const done: Kill[] = [];
  const killing = killMany({
    processes: run.services.processes,
    hand,
    random,
    atPoints,
    atRandom,
    // One after the other tells what each cost; side by side is done sooner.
    ...(night ? { atOnce: 1, pauseMs: 1_000, settled: (killedMs: number) => placing.oldestMs > killedMs } : { atOnce: 5, pauseMs: 100 }),
    onKill: (kill) => {
      done.push(kill);
      if (done.length % 50 !== 0) return;
      console.log(`${done.length} of ${kills} kills, ${placing.acknowledged.size} orders`);
      // A night that is cut off leaves behind what it has seen.
      write(recoveriesOf(done, orders));
    },
  });
  try {
    await Promise.race([killing, placing.failed]);
  } catch (cause) {
    throw new Error(`after ${done.length} kills: ${PaystreamError.from(cause).message}\n${run.lastLines()}`, { cause });
  } finally {
    // What was found out by then is of use however it ended.
    tell(done, orders);
  }
  if (placing.acknowledged.size < wanted) await placing.more(wanted - placing.acknowledged.size);
  await placing.stop();

  const books = await expectRightBooks(run);
  await expectOrderlyStop(run);
  await expectRightRecords(run, placing.acknowledged.values(), books);
  expect(done.length).toBe(kills);
  expect(placing.acknowledged.size).toBeGreaterThanOrEqual(wanted);
  const reached = new Set(done.map(({ point }) => point));
  if (night && kills >= 100) {
    const recoveries = recoveriesOf(done, orders).map(({ ordersMs }) => percentile(ordersMs, 1));
    expect(percentile(recoveries, 0.99)).toBeLessThanOrEqual(longestRecoveryMs);
  }
  if (atPoints >= deathPoints.length) expect(deathPoints.filter((point) => !reached.has(point))).toEqual([]);
  await rm(run.directory, { recursive: true, force: true });
});
