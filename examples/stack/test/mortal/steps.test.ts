import type { Broker } from '@paystream/core';
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import type { Database } from '@paystream/core/sql';
import type { ChannelMessage } from '@paystream/notify';
import type { Gateway } from '@paystream/payment';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tellSteps } from './steps.ts';

let steps: string[];
let broker: Broker;
let database: Database;
const ports = tellSteps((step) => steps.push(step));

beforeEach(async () => {
  steps = [];
  broker = ports.broker(await createEmbeddedBroker());
  database = ports.database(await createSqliteDatabase({ path: ':memory:' }));
  const create = 'CREATE TABLE paystream_orders (id INTEGER PRIMARY KEY, state INTEGER)';
  await database.migrate([{ name: 'steps_0001', statements: { sqlite: () => [create] } }]);
});

afterEach(async () => {
  await broker.close();
  await database.close();
});

describe('a process that is told where to die finds itself there', () => {
  it('before and after a commit, by what the transaction writes, before anything else hears of it', async () => {
    await database.transaction(async (tx) => {
      tx.onCommit(() => steps.push('others hear of it'));
      await tx.executeMany('INSERT INTO paystream_orders (id, state) VALUES (?, ?)', [[1, 1]]);
      await tx.execute('UPDATE paystream_orders SET state = 2 WHERE id = ?', [1]);
      await tx.execute('SELECT id FROM paystream_orders');
      steps.push('work is done');
    });
    expect(steps).toEqual([
      'work is done',
      'before commit of INSERT orders',
      'before commit of UPDATE orders',
      'after commit of INSERT orders',
      'after commit of UPDATE orders',
      'others hear of it',
    ]);
  });

  it('never at a commit that does not happen', async () => {
    const failing = database.transaction(async (tx) => {
      await tx.execute('INSERT INTO paystream_orders (id, state) VALUES (2, 1)');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(steps).toEqual([]);
  });

  it('before and after it publishes and acknowledges', async () => {
    const subscription = await broker.subscribe({ topic: 'orders', subscription: 'payment' });
    const producer = await broker.createProducer({ topic: 'orders' });
    await producer.sendAll([{ payload: Uint8Array.of(1) }]);
    await subscription.acknowledge(await subscription.receive(1));
    expect(steps).toEqual(['before send to orders', 'after send to orders', 'before acknowledge of orders', 'after acknowledge of orders']);
  });

  it('before a charge leaves and after its answer has come', async () => {
    const gateway: Gateway = {
      name: 'yes',
      abilities: {
        ...{ idempotent: true, idempotencyWindowMs: 1, visibilityDelayMs: 0, lookup: true },
        ...{ refunds: 'none', listCharges: false, capture: 'with-authorization' },
      },
      charge: async () => {
        steps.push('charged');
        return { outcome: 'approved', gatewayId: 'ch_1' };
      },
      lookup: async () => 'not-found',
    };
    const watched = ports.gateway(gateway);
    const { signal } = new AbortController();
    await watched.charge({
      ...{ key: 'k', amount: { currency: 'EUR', units: 1n }, paymentMethod: 'pm', paymentId: 'p' },
      ...{ orderId: 'o', merchantId: 'm', customerId: 'c', signal },
    });
    expect(await watched.lookup?.('k', signal)).toBe('not-found');
    expect(steps).toEqual(['before charge', 'charged', 'after charge', 'before lookup', 'after lookup']);
    expect(watched.refund).toBeUndefined();
  });

  it('before and after it sends messages to people, one or several at once', async () => {
    const channel = ports.channel({
      name: 'email',
      capabilities: { idempotent: true, batch: true },
      deliver: async () => ({ outcome: 'delivered' }),
      deliverAll: async (messages) => messages.map(() => ({ outcome: 'delivered' })),
    });
    const message: ChannelMessage = { deliveryId: 'd', eventId: 'e', recipient: 'r', text: 't', orderId: 'o', merchantId: 'm' };
    const { signal } = new AbortController();
    await channel.deliver(message, { signal });
    await channel.deliverAll?.([message, message], { signal });
    expect(steps).toEqual(['before deliver', 'after deliver', 'before deliver', 'after deliver']);
  });
});
