import { create } from '@bufbuild/protobuf';
import { type Broker, createProducer, money, systemClock } from '@paystream/core';
import {
  PaymentRefundedSchema,
  PaymentSettledSchema,
  PaymentState,
  paystreamTopics,
  type TransactionEvent,
  TransactionEventSchema,
  toMoneyMessage,
} from '@paystream/core/contracts';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import { createMysqlDatabase } from '@paystream/core/mysql';
import type { Database } from '@paystream/core/sql';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { createSimulatedGateway, type SimulatedGateway, simulatedMethods } from '../simulated/index.ts';
import { createWallet, type Wallet } from '../wallet/index.ts';
import { mortal } from './crash-support.ts';
import type { PaymentProcessor } from './port.ts';
import { createPaymentProcessor } from './processor.ts';
import { type Counterpart, createCounterpart } from './test-support.ts';

const topics = paystreamTopics();
const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

let broker: Broker;
let databases: readonly [Database, Database];
let gateway: SimulatedGateway;
let other: Counterpart;
let running: { close(): Promise<void> }[];
let prefixes = 0;

beforeEach(async () => {
  const answer = await fetch(`${inject('sqlServers')}/default/start`);
  const { url } = (await answer.json()) as { readonly url: string };
  // No other test, and no earlier run on the same server, has such tables.
  const tablePrefix = `t${process.pid}_${systemClock.now().toString(36)}_${++prefixes}_`;
  const options = { url, tablePrefix, poolSize: 6 };
  broker = await createEmbeddedBroker();
  databases = [createMysqlDatabase(options), createMysqlDatabase(options)];
  gateway = await createSimulatedGateway({ latencyMs: [0, 50], abilities: { visibilityDelayMs: 200 } });
  other = await createCounterpart(broker, systemClock);
  running = [other];
});
afterEach(async () => {
  for (const one of running.toReversed()) await one.close();
  await gateway.close();
  await broker.close();
  for (const database of databases) await database.close();
});

/** Two processors, each with connections of its own. Every event of an order reaches both: as if it were delivered twice, at once. */
async function startBoth(): Promise<readonly [PaymentProcessor, PaymentProcessor]> {
  const start = (database: Database, index: number): Promise<PaymentProcessor> =>
    createPaymentProcessor({ database, broker, gateway, subscription: `payment-${index}`, policy: { retryDelayMs: 100 } });
  const both = (await Promise.all(databases.map(start))) as [PaymentProcessor, PaymentProcessor];
  running.push(...both);
  return both;
}

const waitFor = (condition: () => void): Promise<void> => vi.waitFor(condition, { timeout: 30_000, interval: 20 });

/** Each order was decided once. */
async function decided(orderIds: readonly string[]): Promise<void> {
  await waitFor(() => expect(orderIds.filter((id) => other.outcomes(id).length === 0)).toEqual([]));
  expect(orderIds.filter((id) => other.outcomes(id).length !== 1)).toEqual([]);
}

describe('two payment processors on one database', () => {
  it('charge an order once that reaches both at once', async () => {
    const [first, second] = await startBoth();
    const ids = many(100, (i) => `o${i}`);
    await other.place(...ids.map((orderId) => ({ orderId })), ...ids.toReversed().map((orderId) => ({ orderId })));
    await decided(ids);
    expect(await gateway.summary()).toMatchObject({ charges: 100, chargedTwice: [] });
    await waitFor(() => expect(first.inFlight + second.inFlight).toBe(0));
    expect((await second.reconcile()).discrepancies).toEqual([]);
    // Each wrote its business entry once.
    await waitFor(() => expect(other.logs).toHaveLength(200));
  });

  it('decide once between charge, decline, retry and cancellation, whoever is asked', async () => {
    const [first] = await startBoth();
    const methods = [simulatedMethods.approved, simulatedMethods.declined, simulatedMethods.declineThenApprove];
    const orders = many(90, (i) => ({ orderId: `o${i}`, method: methods[i % 3] as string }));
    await Promise.all(orders.flatMap((order) => [other.place(order), other.cancel(order.orderId), other.place(order)]));
    await decided(orders.map(({ orderId }) => orderId));
    const { charges, chargedTwice, standing } = await gateway.summary();
    const settled = other.decisions.filter(({ outcome }) => outcome.case === 'settled').length;
    expect([charges, standing, chargedTwice]).toEqual([settled, settled, []]);
    expect(await first.reconcile()).toMatchObject({ settled: BigInt(settled), open: 0n, discrepancies: [] });
  });

  it('cancel an order that is cancelled before it comes once, and never charge it', async () => {
    await startBoth();
    const ids = many(40, (i) => `o${i}`);
    await Promise.all(ids.map((id) => other.cancel(id)));
    await Promise.all(ids.map((orderId) => other.place({ orderId })));
    await decided(ids);
    expect(other.decisions.every(({ state }) => state === PaymentState.CANCELED)).toBe(true);
    expect((await gateway.summary()).charges).toBe(0);
  });

  it('give a refund once that both are asked for, and together never more than was charged', async () => {
    const both = await startBoth();
    const ids = many(10, (i) => `o${i}`);
    await other.place(...ids.map((orderId) => ({ orderId, units: 1_000n })));
    await decided(ids);
    const ask = (orderId: string, requestId: string) =>
      both.map((processor) => processor.refund({ orderId, requestId, amount: money('EUR', 400n) }));
    const results = await Promise.allSettled(ids.flatMap((id) => ['r1', 'r2', 'r3', 'r4'].flatMap((request) => ask(id, request))));
    const failures = new Set(results.flatMap((result) => (result.status === 'rejected' ? [result.reason.reason] : [])));
    expect(failures).toEqual(new Set(['REFUND_TOO_LARGE']));
    for (const orderId of ids) {
      await vi.waitFor(async () => expect((await both[1].getPayment(orderId))?.refunded?.units).toBe(800n), { timeout: 10_000 });
    }
    expect((await both[0].reconcile()).discrepancies).toEqual([]);
  });

  it('finish the orders of one that is killed within ten seconds', async () => {
    gateway.configure({ latencyMs: 1_500 });
    const dead = mortal({ database: databases[0], broker, gateway, clock: systemClock });
    const doomed = await createPaymentProcessor(dead);
    const ids = many(50, (i) => `o${i}`);
    await other.place(...ids.map((orderId) => ({ orderId })));
    await waitFor(() => expect(doomed.inFlight).toBe(50));
    running.push(await createPaymentProcessor({ database: databases[1], broker, gateway }));
    dead.kill();
    const killedAtMs = systemClock.monotonic();
    await decided(ids);
    expect(systemClock.monotonic() - killedAtMs).toBeLessThan(10_000);
    expect(await gateway.summary()).toMatchObject({ charges: 50, chargedTwice: [] });
  });
});

function transaction(orderId: string, outcome: TransactionEvent['outcome']): TransactionEvent {
  const names = { paymentId: `pay_${orderId}`, orderId, merchantId: 'm1' };
  return create(TransactionEventSchema, { ...names, state: PaymentState.SETTLED, version: 2n, outcome });
}
function sale(orderId: string, units: bigint): TransactionEvent {
  const captured = toMoneyMessage({ currency: 'EUR', units });
  const value = create(PaymentSettledSchema, { operationId: `pay_${orderId}:charge:1`, gatewayChargeId: 'ch', captured, attempt: 1 });
  return transaction(orderId, { case: 'settled', value });
}
function refund(orderId: string, units: bigint): TransactionEvent {
  const refunded = toMoneyMessage({ currency: 'EUR', units });
  const value = create(PaymentRefundedSchema, { operationId: `pay_${orderId}:refund:1`, refunded, refundedInAll: refunded });
  return transaction(orderId, { case: 'refunded', value });
}

describe('two wallets on one database', () => {
  it('book each operation of a hot merchant once, whichever comes first, and number its updates without a gap', async () => {
    const start = (database: Database, index: number): Promise<Wallet> =>
      createWallet({ database, broker, subscription: `wallet-${index}` });
    const wallets = (await Promise.all(databases.map(start))) as [Wallet, Wallet];
    running.push(...wallets);
    const producer = await createProducer(broker, topics.transactions);
    running.push(producer);
    const ids = many(150, (i) => `o${i}`);
    // Each pair of sale and refund goes out at once, half of them the wrong way round.
    await Promise.all(
      ids.flatMap((id, i) =>
        (i % 2 === 0 ? [sale(id, 1_000n), refund(id, 100n)] : [refund(id, 100n), sale(id, 1_000n)]).map((event) => producer.send(event)),
      ),
    );
    await waitFor(() => expect(other.updates).toHaveLength(300));
    expect(await wallets[0].trialBalance()).toEqual({
      sums: [{ currency: 'EUR', units: 0n }],
      transfers: 300,
      unbalanced: [],
      unchecked: [],
    });
    expect((await wallets[1].getWallet('m1'))[0]).toMatchObject({ revenue: { units: 135_000n }, sales: 150n, version: 300n });
    const versions = other.updates.map((update) => Number(update.wallet?.version)).sort((a, b) => a - b);
    expect(versions).toEqual(many(300, (i) => i + 1));
    const early = databases[0].tables('ledger_early_refunds');
    expect(await databases[0].query(`SELECT * FROM ${early}`)).toEqual([]);
  });
});
