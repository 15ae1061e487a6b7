import { create } from '@bufbuild/protobuf';
import { createProducer, PaystreamError } from '@paystream/core';
import { DeliveryState, paystreamTopics, WalletUpdateKind, WalletUpdateSchema } from '@paystream/core/contracts';
import { createTestWorld } from '@paystream/core/testing';
import { expect, it, vi } from 'vitest';
import { saleEmail } from '../template/wallet-templates.ts';
import { createNotifier } from './notifier.ts';

const { walletUpdates } = paystreamTopics();
const amount = { currency: 'EUR', units: 1_999n };

it('an hour in which outcomes cannot be recorded leaves nothing behind in memory, and then they are', async () => {
  await using world = await createTestWorld();
  const { database } = world;
  let down = false;
  const away = (): Promise<never> => Promise.reject(new PaystreamError('UNAVAILABLE', 'the database is away', { reason: 'TEST' }));
  const email = {
    name: 'email',
    capabilities: { idempotent: false },
    deliver: async () => {
      down = true;
      return { outcome: 'delivered' } as const;
    },
  };
  await using _ = await createNotifier({
    ...world,
    database: { ...database, transaction: (work) => (down ? away() : database.transaction(work)) },
    channels: { email },
    rules: [{ on: walletUpdates, to: () => ({ name: 'Shop', addresses: { email: 'shop@example.org' } }), templates: { email: saleEmail } }],
    leaseMs: 7_200_000,
  });
  const producer = await createProducer(world.broker, walletUpdates, { clock: world.clock, random: world.random });
  await producer.send(
    create(WalletUpdateSchema, {
      operationId: 'capture-1',
      merchantId: 'm1',
      orderId: 'o-1',
      kind: WalletUpdateKind.SALE,
      amount,
      fee: { currency: 'EUR', units: 59n },
      wallet: { merchantId: 'm1', balance: amount, revenue: amount, profit: amount, sales: 1n, version: 1n },
    }),
  );
  await world.runUntil(() => down);
  const added = vi.spyOn(AbortSignal.prototype, 'addEventListener');
  const removed = vi.spyOn(AbortSignal.prototype, 'removeEventListener');
  await world.advance({ hours: 1 });
  expect(added.mock.calls.length).toBeGreaterThan(1_000);
  expect(added.mock.calls.length - removed.mock.calls.length).toBeLessThan(20);
  vi.restoreAllMocks();
  down = false;
  const recorded = `SELECT COUNT(*) AS n FROM ${database.tables('notify_deliveries')} WHERE state = ${DeliveryState.DELIVERED}`;
  await world.runUntil(async () => (await database.query<{ n: number }>(recorded))[0]?.n === 1);
});
