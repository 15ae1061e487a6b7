import { create } from '@bufbuild/protobuf';
import { consumerProperties, createProducer, PaystreamError, type Producer } from '@paystream/core';
import {
  PaymentRefundedSchema,
  PaymentSettledSchema,
  PaymentState,
  paystreamTopics,
  type TransactionEvent,
  TransactionEventSchema,
  toMoneyMessage,
  WalletUpdateKind,
} from '@paystream/core/contracts';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Counterpart, createCounterpart } from '../processor/test-support.ts';
import { walletMigrations } from './migrations.ts';
import { defaultWalletFees, saleFee, transferOf } from './transfer.ts';
import { createWallet, type Wallet } from './wallet.ts';

const topics = paystreamTopics();
let world: TestWorld;
let other: Counterpart;
let wallet: Wallet;
let producer: Producer<TransactionEvent>;

interface Money {
  readonly orderId: string;
  readonly units: bigint;
  readonly operationId?: string;
  readonly merchantId?: string;
  readonly currency?: string;
}

function transaction(given: Money, outcome: TransactionEvent['outcome']): TransactionEvent {
  const { orderId, merchantId = 'm1', currency = 'EUR', units } = given;
  return create(TransactionEventSchema, {
    paymentId: `pay_${orderId}`,
    orderId,
    merchantId,
    state: PaymentState.SETTLED,
    version: 2n,
    amount: toMoneyMessage({ currency, units }),
    outcome,
  });
}
function sale(given: Money): TransactionEvent {
  const operationId = given.operationId ?? `pay_${given.orderId}:charge:1`;
  const captured = toMoneyMessage({ currency: given.currency ?? 'EUR', units: given.units });
  const value = create(PaymentSettledSchema, { operationId, gatewayChargeId: 'ch', captured, attempt: 1 });
  return transaction(given, { case: 'settled', value });
}
function refund(given: Money): TransactionEvent {
  const operationId = given.operationId ?? `pay_${given.orderId}:refund:1`;
  const refunded = toMoneyMessage({ currency: given.currency ?? 'EUR', units: given.units });
  const value = create(PaymentRefundedSchema, { operationId, refunded, refundedInAll: refunded });
  return transaction(given, { case: 'refunded', value });
}
const send = async (...events: readonly TransactionEvent[]): Promise<void> => {
  await Promise.all(events.map((event) => producer.send(event)));
  await world.clock.settle();
};

beforeEach(async () => {
  world = await createTestWorld();
  const { broker, database, clock, random, telemetry } = world;
  other = await createCounterpart(broker, clock);
  producer = await createProducer(broker, topics.transactions, { clock, random });
  wallet = await createWallet({ database, broker, clock, random, telemetry });
});
afterEach(async () => {
  const closed = Promise.all([wallet.close(), other.close(), producer.close()]);
  await world.advance({ seconds: 30 });
  await closed;
  await world[Symbol.asyncDispose]();
});

async function booksAreRight(): Promise<void> {
  const { sums, unbalanced } = await wallet.trialBalance();
  expect(sums.every(({ units }) => units === 0n)).toBe(true);
  expect(unbalanced).toEqual([]);
}

async function reasonsOfDead(): Promise<readonly (string | undefined)[]> {
  const dead = await world.broker.subscribe({ topic: 'transactions-wallet-dlq', subscription: 'test', initialPosition: 'earliest' });
  return (await dead.receive(10)).map(({ properties }) => properties[consumerProperties.reason]);
}

describe('wallet', () => {
  it('credits the merchant with each sale less its fee, and says so once', async () => {
    await send(sale({ orderId: 'o1', units: 10_000n }), sale({ orderId: 'o2', units: 2_000n }));
    const [eur] = await wallet.getWallet('m1');
    expect(world.telemetry.counter('paystream_wallet_transfers_total')).toBe(2);
    // 2.9 % of 100.00 and of 20.00, and 0.30 each.
    expect(eur).toMatchObject({
      balance: { units: 11_592n },
      revenue: { units: 12_000n },
      profit: { units: 11_592n },
      sales: 2n,
      version: 2n,
    });
    expect(
      other.updates.map(({ orderId, kind, fee, wallet: after }) => [orderId, kind, fee?.units, after?.balance?.units, after?.version]),
    ).toEqual([
      ['o1', WalletUpdateKind.SALE, 320n, 9_680n, 1n],
      ['o2', WalletUpdateKind.SALE, 88n, 11_592n, 2n],
    ]);
    expect(other.logs.map((entry) => entry.event)).toEqual(['wallet.sale.booked', 'wallet.sale.booked']);
    await booksAreRight();
  });

  it('books an operation once, however often its event comes', async () => {
    const event = sale({ orderId: 'o1', units: 1_000n });
    await send(event, event, sale({ orderId: 'o2', units: 500n }), event);
    await send(event);
    expect((await wallet.trialBalance()).transfers).toBe(2);
    expect((await wallet.getWallet('m1'))[0]).toMatchObject({ sales: 2n, revenue: { units: 1_500n }, version: 2n });
    expect(other.updates).toHaveLength(2);
  });

  it('refuses the same operation with another amount, visibly, and goes on', async () => {
    const dead = await world.broker.subscribe({ topic: 'transactions-wallet-dlq', subscription: 'test', initialPosition: 'earliest' });
    await send(sale({ orderId: 'o1', units: 1_000n }));
    await send(sale({ orderId: 'o1', units: 9_999n }), sale({ orderId: 'o2', units: 500n }));
    expect((await wallet.getWallet('m1'))[0]).toMatchObject({ sales: 2n, revenue: { units: 1_500n } });
    const [letter] = await dead.receive(10);
    expect(JSON.stringify(letter?.properties)).toContain('OPERATION_MISMATCH');
    await booksAreRight();
  });

  it('sends what does not decode or makes no sense to the dead-letter topic, and goes on', async () => {
    const raw = await world.broker.createProducer({ topic: 'transactions' });
    await raw.send({ payload: new Uint8Array([255, 255, 255]), key: 'o9' });
    await send(
      sale({ orderId: 'o1', units: -5n }),
      sale({ orderId: 'o2', units: 5n, currency: 'XXQ' }),
      sale({ orderId: 'o3', units: 700n }),
    );
    expect((await wallet.getWallet('m1'))[0]).toMatchObject({ sales: 1n, revenue: { units: 700n } });
    const dead = await world.broker.subscribe({ topic: 'transactions-wallet-dlq', subscription: 'test', initialPosition: 'earliest' });
    expect(await dead.receive(10)).toHaveLength(3);
  });

  it('books ids of as many characters as an order has at most, an emoji counting as one, and refuses longer ones', async () => {
    const [merchantId, orderId, operationId] = ['😀'.repeat(64), '😀'.repeat(64), 'x'.repeat(255)];
    await send(
      sale({ orderId, merchantId, operationId, units: 1_000n }),
      sale({ orderId: 'o'.repeat(65), units: 1n }),
      sale({ orderId: 'o2', merchantId: 'm'.repeat(65), units: 1n }),
      sale({ orderId: 'o3', operationId: 'x'.repeat(256), units: 1n }),
      refund({ orderId: 'o4', operationId: 'x'.repeat(256), units: 1n }),
    );
    expect((await wallet.getWallet(merchantId))[0]).toMatchObject({ sales: 1n, revenue: { units: 1_000n } });
    expect((await wallet.trialBalance()).transfers).toBe(1);
    expect(await reasonsOfDead()).toEqual(new Array(4).fill('INVALID_TRANSACTION_EVENT'));
  });

  it.each([defaultWalletFees, { basisPoints: 0, fixedUnits: 0n }])(
    'books nothing that a balance cannot hold, and goes on: %o',
    async (fees) => {
      await wallet.close();
      const { broker, database, clock, random } = world;
      wallet = await createWallet({ database, broker, clock, random, fees });
      const largest = 2n ** 63n - 1n;
      await send(sale({ orderId: 'o1', units: largest }));
      await send(sale({ orderId: 'o2', units: largest }));
      await send(sale({ orderId: 'o3', units: 1n }), sale({ orderId: 'o4', units: 700n, merchantId: 'm2' }));
      expect((await wallet.getWallet('m1'))[0]).toMatchObject({ sales: 1n, revenue: { units: largest } });
      expect((await wallet.getWallet('m2'))[0]).toMatchObject({ sales: 1n, revenue: { units: 700n } });
      expect(await reasonsOfDead()).toEqual(['BALANCE_OUT_OF_RANGE', 'BALANCE_OUT_OF_RANGE']);
      await booksAreRight();
    },
  );

  it('lets a refund wait for the sale that it belongs to', async () => {
    const early = refund({ orderId: 'o1', units: 400n });
    await send(early, early);
    expect(await wallet.getWallet('m1')).toEqual([]);
    await send(refund({ orderId: 'o1', units: 401n }));
    await send(sale({ orderId: 'o1', units: 1_000n }), early);
    expect((await wallet.getWallet('m1'))[0]).toMatchObject({ revenue: { units: 600n }, balance: { units: 541n }, sales: 1n, version: 2n });
    expect(other.updates.map(({ kind }) => kind)).toEqual([WalletUpdateKind.SALE, WalletUpdateKind.REFUND]);
    await send(early);
    expect((await wallet.trialBalance()).transfers).toBe(2);
    const dead = await world.broker.subscribe({ topic: 'transactions-wallet-dlq', subscription: 'test', initialPosition: 'earliest' });
    expect(await dead.receive(10)).toHaveLength(1);
    await booksAreRight();
  });

  it('books a refund within a minute that it kept though the sale was there, unseen, on another node of the database', async () => {
    const { database } = world;
    const kept = database.tables('ledger_early_refunds');
    const move = (from: string, to: string): Promise<unknown> =>
      database.transaction((tx) => tx.execute(`UPDATE ${kept} SET order_id = ? WHERE order_id = ?`, [to, from]));
    await send(refund({ orderId: 'o1', units: 400n }), refund({ orderId: 'o2', units: 300n }));
    // Who books the sale does not see the refund, as who kept the refund did not see the sale.
    await move('o1', 'unseen');
    await send(sale({ orderId: 'o1', units: 1_000n }));
    await move('unseen', 'o1');
    expect((await wallet.getWallet('m1'))[0]).toMatchObject({ revenue: { units: 1_000n } });
    await world.advance({ seconds: 61 });
    expect((await wallet.getWallet('m1'))[0]).toMatchObject({ revenue: { units: 600n }, balance: { units: 541n }, version: 2n });
    expect(other.updates.map(({ kind }) => kind)).toEqual([WalletUpdateKind.SALE, WalletUpdateKind.REFUND]);
    expect(other.logs.map((entry) => entry.event)).toEqual(['wallet.sale.booked', 'wallet.refund.booked']);
    await world.advance({ minutes: 5 });
    expect((await wallet.trialBalance()).transfers).toBe(2);
    expect(await database.query(`SELECT order_id FROM ${kept}`)).toEqual([{ order_id: 'o2' }]);
    await booksAreRight();
  });

  it('keeps currencies and merchants apart', async () => {
    await send(
      sale({ orderId: 'o1', units: 1_000n }),
      sale({ orderId: 'o2', units: 5_000n, currency: 'JPY' }),
      sale({ orderId: 'o3', units: 300n, merchantId: 'm2' }),
    );
    expect((await wallet.getWallet('m1')).map((one) => [one.revenue?.currency, one.revenue?.units])).toEqual([
      ['EUR', 1_000n],
      ['JPY', 5_000n],
    ]);
    expect((await wallet.getWallet('m2'))[0]?.revenue?.units).toBe(300n);
    expect(await wallet.getWallet('m3')).toEqual([]);
    await booksAreRight();
  });

  it('notices a balance that is not the sum of its postings', async () => {
    await send(sale({ orderId: 'o1', units: 1_000n }));
    const balances = world.database.tables('ledger_balances');
    await world.database.transaction((tx) => tx.execute(`UPDATE ${balances} SET payable = payable + 1, fees = fees - 1`));
    expect((await wallet.trialBalance()).unbalanced).toEqual(['m1/EUR']);
  });

  it('cannot store a transfer that does not add up', async () => {
    await send(sale({ orderId: 'o1', units: 1_000n }));
    const transfers = world.database.tables('ledger_transfers');
    await expect(world.database.transaction((tx) => tx.execute(`UPDATE ${transfers} SET payable = payable + 1`))).rejects.toMatchObject({
      reason: 'CONSTRAINT_VIOLATION',
    });
  });

  it('never takes more as a fee than was paid, and always adds up', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10n ** 15n }), fc.constantFrom('SALE' as const, 'REFUND' as const), (units, kind) => {
        const amount = { currency: 'EUR', units };
        const fee = saleFee(amount, defaultWalletFees);
        expect(fee >= 0n && fee <= units).toBe(true);
        const { clearing, payable, fees } = transferOf(
          { kind, operationId: 'x', orderId: 'o', merchantId: 'm', amount },
          defaultWalletFees,
        );
        expect(clearing + payable + fees).toBe(0n);
      }),
    );
    expect(saleFee({ currency: 'EUR', units: 10_000n }, { basisPoints: 100, fixedUnits: { EUR: 5n } })).toBe(105n);
    expect(saleFee({ currency: 'USD', units: 10_000n }, { basisPoints: 100, fixedUnits: { EUR: 5n } })).toBe(100n);
  });
});

describe('a wallet that cannot start', () => {
  it('changes no schema that it is only to check, that of its own outbox among it', async () => {
    await using fresh = await createTestWorld();
    await fresh.database.migrate(walletMigrations);
    await expect(createWallet({ ...fresh, migrations: 'check' })).rejects.toMatchObject({ reason: 'SCHEMA_OUT_OF_DATE' });
    await expect(fresh.database.query(`SELECT epoch FROM ${fresh.database.tables('outbox_epochs')}`)).rejects.toThrow();
  });

  it('leaves no outbox behind that renews its lease for ever', async () => {
    await using fresh = await createTestWorld();
    const away = new PaystreamError('UNAVAILABLE', 'away', { reason: 'TEST' });
    const broker = { ...fresh.broker, subscribe: () => Promise.reject(away) };
    const database = { ...fresh.database, exclusive: false };
    await expect(createWallet({ ...fresh, broker, database })).rejects.toMatchObject({ reason: 'TEST' });
    expect(await database.query(`SELECT epoch FROM ${database.tables('outbox_epochs')}`)).toEqual([]);
    expect(fresh.clock.pendingTimers).toBe(0);
  });
});
