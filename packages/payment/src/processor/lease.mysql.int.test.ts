import { silentLogger, systemClock, systemRandom } from '@paystream/core';
import { createMysqlDatabase } from '@paystream/core/mysql';
import { expect, inject, it } from 'vitest';
import { paymentMigrations } from '../store/migrations.ts';
import { createProcessorLease } from './lease.ts';

it('keeps a processor alive while all other work waits for a row that is locked', { timeout: 30_000 }, async () => {
  const answer = await fetch(`${inject('sqlServers')}/default/start`);
  const { url } = (await answer.json()) as { readonly url: string };
  const options = { url, tablePrefix: `l${process.pid}_${systemClock.now().toString(36)}_`, lockTimeoutMs: 4_000 };
  const database = createMysqlDatabase({ ...options, poolSize: 3 });
  // Not of that pool: whoever holds the row is another process.
  const holder = createMysqlDatabase({ ...options, poolSize: 1 });
  await database.migrate(paymentMigrations);
  const parts = { database, clock: systemClock, random: systemRandom, logger: silentLogger, takeOver: async () => 0 };
  const lease = createProcessorLease(parts);
  await lease.start();
  const row = `INSERT INTO ${database.tables('payment_processors')} (processor, lease_until) VALUES ('held', 9000000000000) ON DUPLICATE KEY UPDATE lease_until = lease_until + 1`;
  const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = holder.transaction(async (tx) => {
    await tx.execute(row);
    held.resolve();
    await gate.promise;
  });
  await held.promise;
  const waiting = Array.from({ length: 10 }, () => database.transaction((tx) => tx.execute(row)).catch(() => undefined));
  const fresh = new Set<boolean>();
  for (const endMs = systemClock.monotonic() + 7_000; systemClock.monotonic() < endMs; await systemClock.sleep(50))
    fresh.add(lease.fresh());
  gate.resolve();
  await Promise.all([holding, ...waiting]);
  await lease.close();
  for (const one of [database, holder]) await one.close();
  expect([...fresh]).toEqual([true]);
});
