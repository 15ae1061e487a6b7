import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '@paystream/core';
import { OrderState } from '@paystream/core/contracts';
import { createSeededRandom } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { createBookReader, faultsIn } from '../src/load/books.ts';
import { finalStates, keepPlacing } from './keep-placing.ts';
import { lastStates } from './last-states.ts';
import { createStackProcess } from './stack-process.ts';
import { jsonLines, twice } from './written-lines.ts';

const kills = Number(process.env['PAYSTREAM_TEST_KILLS'] ?? 25);
const clients = 32;

/** Waits and limits that are short enough for the run to end soon, with every way in which a gateway can go wrong. */
const settings = {
  PAYSTREAM_GATEWAY_LATENCY_MS: '0-150',
  PAYSTREAM_GATEWAY_MIX:
    'approve=66,decline=8,decline-later=8,time-out-after-charging=4,time-out-before-charging=4,error-after-charging=4,error-before-charging=4,duplicate=2',
  PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: '400',
  PAYSTREAM_PAYMENT_RETRY_DELAY_MS: '300',
  PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: '100,300,1000',
};

it(`loses no acknowledged order, charges none twice and tells each fact once through ${kills} kill -9 under load`, async () => {
  const random = createSeededRandom(Number(process.env['PAYSTREAM_TEST_SEED'] ?? 1));
  await using stack = await createStackProcess(settings);
  await stack.start();
  const placing = keepPlacing({ targets: [stack.grpc], clients, random });
  const { acknowledged } = placing;
  for (let kill = 0; kill < kills; kill++) {
    // Each start must have taken orders before it is killed, or the kill proves nothing.
    await placing.more(20);
    await systemClock.sleep(random.next() * 600);
    await stack.kill();
    await stack.start();
  }
  await placing.stop();

  // Only then the books are whole: an order may be on its way to the payment service.
  const states = await lastStates(stack.grpc, acknowledged.values());
  const books = await createBookReader({ target: stack.grpc, clock: systemClock }).settled(150_000);
  expect(faultsIn(books)).toEqual([]);
  expect(await stack.stop(), stack.output).toBe(0);

  expect([...states].filter(([, state]) => !finalStates.has(state))).toEqual([]);

  // What follows reads the files themselves, not what the services say of them.
  const data = join(stack.directory, 'data');
  const book = new DatabaseSync(join(data, 'gateway.sqlite'), { readOnly: true });
  const doubled = book
    .prepare(
      `SELECT payment_id, COUNT(*) AS charges FROM gateway_charges
       WHERE state = 'approved' AND refunded_units < units GROUP BY payment_id HAVING COUNT(*) > 1`,
    )
    .all();
  book.close();
  expect(doubled).toEqual([]);

  const database = new DatabaseSync(join(data, 'paystream.sqlite'), { readOnly: true });
  const stored = database.prepare('SELECT entry_id, event, order_id FROM paystream_log_entries').all() as Record<string, string>[];
  const orders = database.prepare('SELECT order_id FROM paystream_orders').all() as { order_id: string }[];
  database.close();
  const business = stored.filter((row) => row['event'] !== '');
  const known = new Set(orders.map((row) => row.order_id));
  expect([...acknowledged.values()].filter((orderId) => !known.has(orderId))).toEqual([]);
  expect(business.filter((row) => row['event'] === 'order.placed').length).toBe(known.size);
  expect(twice(stored.map((row) => row['entry_id'] ?? ''))).toEqual([]);
  for (const event of ['order.placed', 'order.paid', 'order.declined', 'order.expired', 'payment.settled']) {
    expect(twice(business.filter((row) => row['event'] === event).map((row) => row['order_id'] ?? '')), event).toEqual([]);
  }

  const inFile = jsonLines(join(data, 'logs'), /\.jsonl$/).map((line) => String(line['entryId']));
  expect(twice(inFile)).toEqual([]);
  expect(new Set(inFile)).toEqual(new Set(stored.map((row) => row['entry_id'])));

  const paid = [...states].filter(([, state]) => state === OrderState.PAID).length;
  for (const channel of ['email', 'sms']) {
    const messages = jsonLines(join(data, 'notifications'), new RegExp(`^${channel}.*\\.jsonl$`)).map((line) => String(line['deliveryId']));
    expect(twice(messages)).toEqual([]);
    expect(messages.length).toBe(books.paymentsSettled);
    expect(messages.length).toBeGreaterThanOrEqual(paid);
  }
  expect(acknowledged.size).toBeGreaterThanOrEqual(kills * 20);
});
