import { create } from '@bufbuild/protobuf';
import { createProducer, PaystreamError } from '@paystream/core';
import { DeliveryState, paystreamTopics, WalletUpdateKind, WalletUpdateSchema } from '@paystream/core/contracts';
import type { Database } from '@paystream/core/sql';
import { createTestWorld, losingAnswers, type TestWorld } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import type { Channel, DeliveryOutcome } from '../channel/port.ts';
import { defineTemplate } from '../template/template.ts';
import { createNotifier, type Notifier } from './notifier.ts';

const { walletUpdates } = paystreamTopics();
const amount = { currency: 'EUR', units: 1_999n };
const delivered: DeliveryOutcome = { outcome: 'delivered' };
const busy = (): never => {
  throw new PaystreamError('RESOURCE_EXHAUSTED', 'later', { reason: 'BUSY' });
};

async function publishOne(world: TestWorld): Promise<void> {
  const producer = await createProducer(world.broker, walletUpdates, { clock: world.clock, random: world.random });
  const wallet = { merchantId: 'm1', balance: amount, revenue: amount, profit: amount, sales: 1n, version: 1n };
  const fee = { currency: 'EUR', units: 59n };
  const kind = WalletUpdateKind.SALE;
  await producer.send(
    create(WalletUpdateSchema, { operationId: 'capture-1', merchantId: 'm1', orderId: 'o-1', kind, amount, fee, wallet }),
  );
  await producer.close();
}

/** The same database, which is away whenever it is said to be. */
function reachable(database: Database, isAway: () => boolean): Database {
  const away = (): Promise<never> => Promise.reject(new PaystreamError('UNAVAILABLE', 'the database is away', { reason: 'TEST' }));
  return {
    ...database,
    transaction: (work) => (isAway() ? away() : database.transaction(work)),
    query: (sql, parameters) => (isAway() ? away() : database.query(sql, parameters)),
  };
}

function channelOf(idempotent: boolean, answer: (nth: number) => Promise<DeliveryOutcome> | DeliveryOutcome): Channel & { sent: number } {
  const channel = {
    name: 'email',
    sent: 0,
    capabilities: { idempotent },
    deliver: async () => {
      channel.sent += 1;
      return answer(channel.sent);
    },
  };
  return channel;
}

function start(world: TestWorld, database: Database, email: Channel, onUnknown: 'at-most-once' | 'at-least-once'): Promise<Notifier> {
  const template = defineTemplate(() => ({ text: 'x' }), { onUnknown });
  const rules = [{ on: walletUpdates, to: () => ({ addresses: { email: 'shop@example.org' } }), templates: { email: template } }] as const;
  return createNotifier({ ...world, database, channels: { email }, rules, retry: { delayMs: 10_000 } });
}

async function stateIn({ database }: TestWorld): Promise<DeliveryState | undefined> {
  const [row] = await database.query<{ state: DeliveryState }>(`SELECT state FROM ${database.tables('notify_deliveries')}`);
  return row?.state;
}

describe('an outcome that is recorded again after another instance took the delivery on', () => {
  it('lets nobody send beside that one what may not be sent twice: it was to be tried later', async () => {
    await using world = await createTestWorld();
    let cut = false;
    const shared = { ...world.database, exclusive: false };
    const link = losingAnswers(reachable(shared, () => cut));
    const mine = channelOf(false, (nth) => (nth === 1 ? busy() : delivered));
    const first = await start(world, link.database, mine, 'at-most-once');
    link.loseNext(/SET tries = .*due_at = /);
    await publishOne(world);
    await world.runUntil(() => link.lost === 1);
    cut = true;
    const sending = Promise.withResolvers<DeliveryOutcome>();
    const theirs = channelOf(false, () => sending.promise);
    await using _second = await start(world, shared, theirs, 'at-most-once');
    await world.runUntil(() => theirs.sent === 1, { maxMs: 60_000 });
    cut = false;
    await world.advance({ seconds: 20 });
    sending.resolve(delivered);
    await world.advance({ seconds: 60 });
    expect([mine.sent, theirs.sent]).toEqual([1, 1]);
    expect(await stateIn(world)).toBe(DeliveryState.DELIVERED);
    await first.close();
  });

  it.each([
    ['leaves to it how the delivery ends', { outcome: 'rejected', reason: 'no such mailbox' }, delivered],
    ['still tells that it was delivered', delivered, { outcome: 'rejected', reason: 'no such mailbox' }],
  ] as const)('%s', async (_, outcome, other) => {
    await using world = await createTestWorld();
    let cut = false;
    const shared = { ...world.database, exclusive: false };
    const mine = channelOf(true, () => {
      cut = true;
      return outcome;
    });
    const first = await start(
      world,
      reachable(shared, () => cut),
      mine,
      'at-least-once',
    );
    await publishOne(world);
    await world.runUntil(() => mine.sent === 1);
    const sending = Promise.withResolvers<DeliveryOutcome>();
    const theirs = channelOf(true, () => sending.promise);
    await using _second = await start(world, shared, theirs, 'at-least-once');
    await world.runUntil(() => theirs.sent === 1, { maxMs: 60_000 });
    cut = false;
    await world.advance({ seconds: 5 });
    sending.resolve(other);
    await world.advance({ seconds: 60 });
    expect([mine.sent, theirs.sent]).toEqual([1, 1]);
    expect(await stateIn(world)).toBe(DeliveryState.DELIVERED);
    await first.close();
  });
});
