import { defineTopic, json } from '@paystream/core';
import { DeliveryState } from '@paystream/core/contracts';
import type { Database, SqlValue } from '@paystream/core/sql';
import { createTestWorld } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { ChannelMessage } from '../channel/port.ts';
import { defineTemplate } from '../template/template.ts';
import { notifierMigrations } from './migrations.ts';
import { createNotifier } from './notifier.ts';

/** Writes a delivery that waits, as the first release does. */
async function storeAsFirstRelease(database: Database, deliveryId: string, nowMs: number): Promise<void> {
  const row: Readonly<Record<string, SqlValue>> = {
    delivery_id: deliveryId,
    event_id: 'event-1',
    channel: 'email',
    recipient: 'a@example.org',
    order_id: 'o-1',
    merchant_id: 'm-1',
    message: JSON.stringify({ text: deliveryId }),
    at_most_once: 0,
    state: DeliveryState.PENDING,
    tries: 0,
    sending: 0,
    detail: '',
    owner: '',
    due_at: nowMs,
    created_at: nowMs,
    updated_at: nowMs,
  };
  const columns = Object.keys(row);
  const insert = `INSERT INTO ${database.tables('notify_deliveries')} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
  await database.transaction((tx) => tx.execute(insert, Object.values(row)));
}

it('delivers what was stored under the first schema, and what a replica of the first release stores beside it', async () => {
  await using world = await createTestWorld();
  const { database, clock } = world;
  await database.migrate(notifierMigrations.slice(0, 1));
  await storeAsFirstRelease(database, 'before', clock.now());
  const sent: ChannelMessage[] = [];
  await using _notifier = await createNotifier({
    ...world,
    channels: {
      email: {
        name: 'email',
        capabilities: { idempotent: true },
        deliver: async (message) => {
          sent.push(message);
          return { outcome: 'delivered' };
        },
      },
    },
    rules: [
      {
        on: defineTopic({ name: 'events', codec: json(z.object({})) }),
        to: () => undefined,
        templates: { email: defineTemplate(() => ({ text: 'x' })) },
      },
    ],
  });
  await world.runUntil(() => sent.length === 1);
  await storeAsFirstRelease(database, 'beside', clock.now());
  await world.advance({ seconds: 10 });
  expect(sent.map(({ deliveryId, text }) => [deliveryId, text])).toEqual([
    ['before', 'before'],
    ['beside', 'beside'],
  ]);
});
