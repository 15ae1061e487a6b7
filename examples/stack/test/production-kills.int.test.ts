import { rm, writeFile } from 'node:fs/promises';
import { createSeededRandom } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { keepPlacing } from './keep-placing.ts';
import { mortalProgram, openHand } from './mortal/hand.ts';
import { killMany } from './mortal/kills.ts';
import { deathPoints } from './mortal/points.ts';
import { type OrderSpan, percentile, recoveriesOf, recoveryLine, recoveryRows, undisturbedMs } from './mortal/recovery.ts';
import { expectRightBooks, expectRightRecords, startProduction } from './production/test-support.ts';

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

it(`loses nothing and charges none twice on Pulsar and MySQL through ${kills} kill -9, ${atPoints} of them between two steps with a name`, {
  timeout,
}, async () => {
  const random = createSeededRandom(Number(process.env['PAYSTREAM_TEST_SEED'] ?? 1));
  await using hand = await openHand();
  // A process that is killed often is not one that cannot run: it is started again as soon as one that was killed once.
  const { environment, hear } = hand;
  await using run = await startProduction({ program: mortalProgram, environment, onLine: hear, longestRestartMs: 500 });
  const orders: OrderSpan[] = [];
  const placing = keepPlacing({
    targets: run.grpcOf('order'),
    clients,
    random,
    waitMs: 30_000,
    // A steady load, which leaves the machine room to start what was killed.
    pauseMs: night ? 2_000 : 0,
    onFinal: (order) => orders.push(order),
  });
  await placing.more(clients);
  const done = await Promise.race([
    killMany({
      processes: run.services.processes,
      hand,
      random,
      atPoints,
      atRandom,
      // One after the other tells what each cost; side by side is done sooner.
      ...(night ? { atOnce: 1, pauseMs: 1_000, settled: (killedMs: number) => placing.oldestMs > killedMs } : { atOnce: 5, pauseMs: 100 }),
      onKill: ({ victim, point }, count) => {
        if (count % 50 === 0)
          console.log(`${count} of ${kills} kills, ${placing.acknowledged.size} orders; the last: ${victim} ${point?.step ?? ''}`);
      },
    }),
    placing.failed,
  ]);
  if (placing.acknowledged.size < wanted) await placing.more(wanted - placing.acknowledged.size);
  await placing.stop();

  const books = await expectRightBooks(run);
  await run.services.stop();
  const settleMs = await expectRightRecords(run, placing.acknowledged.values(), books);

  const recoveries = recoveriesOf(done, orders);
  const calmMs = undisturbedMs(done, orders);
  console.table(recoveryRows(recoveries));
  console.log(
    `${settleMs.length} orders, ${done.length} kills; orders that no kill disturbed took p50 ${percentile(calmMs, 0.5)} ms, p99 ${percentile(calmMs, 0.99)} ms`,
  );
  if (report !== undefined) await writeFile(report, recoveries.map((one) => `${recoveryLine(one)}\n`).join(''));
  expect(done.length).toBe(kills);
  expect(placing.acknowledged.size).toBeGreaterThanOrEqual(wanted);
  const reached = new Set(done.map(({ point }) => point));
  if (atPoints >= deathPoints.length) expect(deathPoints.filter((point) => !reached.has(point))).toEqual([]);
  await rm(run.directory, { recursive: true, force: true });
});
