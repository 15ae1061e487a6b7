import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PaymentState } from '@paystream/core/contracts';
import type { Database, SqlRow, SqlValue } from '@paystream/core/sql';
import { createTestWorld } from '@paystream/core/testing';
import { afterAll, expect, it } from 'vitest';
import { mortal } from '../processor/crash-support.ts';
import { createPaymentProcessor } from '../processor/processor.ts';
import { createCounterpart } from '../processor/test-support.ts';
import { createSimulatedGateway, readSimulatedBook, simulatedMethods } from '../simulated/index.ts';
import { paymentMigrations } from './migrations.ts';

const root = mkdtempSync(join(tmpdir(), 'paystream-upgrade-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Columns that the first schema has not. */
const added: ReadonlySet<string> = new Set(['owner', 'traceparent']);

async function copyRows(from: Database, to: Database, table: string): Promise<void> {
  for (const row of await from.query<SqlRow>(`SELECT * FROM ${from.tables(table)}`)) {
    const columns = Object.keys(row).filter((column) => !added.has(column));
    const places = columns.map(() => '?').join(', ');
    const values = columns.map((column) => row[column] as SqlValue);
    await to.transaction((tx) => tx.execute(`INSERT INTO ${to.tables(table)} (${columns.join(', ')}) VALUES (${places})`, values));
  }
}

it.each(paymentMigrations.map(({ name }, index) => [name, index + 1] as const))(
  'goes on with payments that the first release wrote while the schema was at %s: one that is settled, and one whose answer was lost',
  async (_, applied) => {
    const path = join(root, `book-${applied}.sqlite`);
    await using before = await createTestWorld({ seed: 1 });
    await using after = await createTestWorld({ seed: 2 });
    {
      const { clock, random, database, broker } = before;
      const gateway = await createSimulatedGateway({ clock, random, path, latencyMs: 20 });
      const other = await createCounterpart(broker, clock);
      const dying = mortal({ database, broker, gateway, clock });
      const processor = await createPaymentProcessor({ ...dying, random });
      await other.place({ orderId: 'settled' });
      await before.runUntil(async () => (await processor.getPayment('settled'))?.state === PaymentState.SETTLED);
      await other.place({ orderId: 'lost', method: simulatedMethods.timeoutAfterCharge });
      await before.advance(1_000);
      dying.kill();
      await other.close();
      await gateway.close();
    }
    // The last one is what a replica of the first release writes beside one of this.
    await after.database.migrate(paymentMigrations.slice(0, applied));
    for (const table of ['payments', 'payment_attempts', 'payment_refunds']) await copyRows(before.database, after.database, table);

    const { clock, random, database, broker } = after;
    const gateway = await createSimulatedGateway({ clock, random, path, latencyMs: 20 });
    const other = await createCounterpart(broker, clock);
    const processor = await createPaymentProcessor({ database, broker, gateway, clock, random });
    await after.advance({ minutes: 6 });
    expect((await processor.getPayment('settled'))?.state).toBe(PaymentState.SETTLED);
    expect((await processor.getPayment('lost'))?.state).toBe(PaymentState.SETTLED);
    const closed = Promise.all([processor.close(), other.close()]);
    await after.advance({ seconds: 20 });
    await closed;
    await gateway.close();
    expect(await readSimulatedBook(path)).toMatchObject({ charges: 2, standing: 2, chargedTwice: [] });
  },
);
