import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { createProducer, defineTopic, json, type RpcContext } from '@paystream/core';
import {
  CountDeliveriesRequestSchema,
  DeliveryState,
  ListDeliveriesRequestSchema,
  type ListDeliveriesResponseSchema,
} from '@paystream/core/contracts';
import { createTestWorld } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Channel } from '../channel/port.ts';
import { defineTemplate } from '../template/template.ts';
import { notificationRpcService } from './notification-rpc-service.ts';
import { createNotifier } from './notifier.ts';

type Page = MessageInitShape<typeof ListDeliveriesResponseSchema>;

const callAs = (merchants: 'all' | readonly string[]): RpcContext => ({
  method: 'test',
  signal: new AbortController().signal,
  deadlineMs: undefined,
  header: () => undefined,
  principal: { id: 'tester', merchants: merchants === 'all' ? 'all' : new Set(merchants) },
  traceparent: undefined,
});

const events = defineTopic({ name: 'events', codec: json(z.object({ n: z.number(), merchantId: z.string() })) });
const template = defineTemplate((event: { n: number }) => ({ text: String(event.n) }));

async function served(count: number) {
  const world = await createTestWorld();
  const email: Channel = {
    name: 'email',
    capabilities: { idempotent: true },
    deliver: async ({ text }) =>
      text === '1' ? { outcome: 'rejected', reason: 'no' } : text === '2' ? new Promise(() => undefined) : { outcome: 'delivered' },
  };
  const contact = { addresses: { email: 'a@example.org' } };
  const notifier = await createNotifier({
    ...world,
    channels: { email },
    rules: [{ on: events, to: () => contact, templates: { email: template } }],
  });
  const producer = await createProducer(world.broker, events, { clock: world.clock });
  for (let n = 0; n < count; n += 1) await producer.send({ n, merchantId: n % 2 === 0 ? 'even' : 'odd' }, { eventId: `event-${n}` });
  await world.clock.settle();
  const { implementation } = notificationRpcService(notifier);
  const unary = implementation as unknown as Record<string, (request: unknown, context: RpcContext) => Promise<unknown>>;
  return {
    database: world.database,
    list: (request: MessageInitShape<typeof ListDeliveriesRequestSchema>, merchants: 'all' | readonly string[] = 'all') =>
      unary['listDeliveries']?.(create(ListDeliveriesRequestSchema, request), callAs(merchants)) as Promise<Page>,
    count: (merchants: 'all' | readonly string[] = 'all') =>
      unary['countDeliveries']?.(create(CountDeliveriesRequestSchema), callAs(merchants)) as Promise<{ counts: object[] }>,
    [Symbol.asyncDispose]: async () => {
      const closing = notifier.close(0);
      await world.advance({ seconds: 30 });
      await closing;
      await world[Symbol.asyncDispose]();
    },
  };
}

const eventsOf = (page: Page): (string | undefined)[] => (page.deliveries ?? []).map((delivery) => delivery.eventId);

describe('the notification service', () => {
  it('lists every delivery once over pages, newest first', async () => {
    await using service = await served(25);
    const found: (string | undefined)[] = [];
    let pageToken = '';
    do {
      const page = await service.list({ pageSize: 10, pageToken });
      found.push(...eventsOf(page));
      pageToken = page.nextPageToken ?? '';
    } while (pageToken !== '');
    expect(found).toEqual(Array.from({ length: 25 }, (_, i) => `event-${24 - i}`));
  });

  it('tells what became of the deliveries of one event', async () => {
    await using service = await served(20);
    expect((await service.list({ eventId: 'event-1' })).deliveries).toMatchObject([
      { eventId: 'event-1', channel: 'email', recipient: 'a@example.org', state: DeliveryState.REJECTED, tries: 1, detail: 'no' },
    ]);
    expect(eventsOf(await service.list({ eventId: 'event' }))).toEqual([]);
  });

  it('counts by channel and state', async () => {
    await using service = await served(10);
    expect((await service.count()).counts).toEqual(
      expect.arrayContaining([
        { channel: 'email', state: DeliveryState.PENDING, count: 1n },
        { channel: 'email', state: DeliveryState.DELIVERED, count: 8n },
        { channel: 'email', state: DeliveryState.REJECTED, count: 1n },
      ]),
    );
  });

  it('shows a merchant only what was sent to it', async () => {
    await using service = await served(6);
    expect(eventsOf(await service.list({}, ['odd']))).toEqual(['event-5', 'event-3', 'event-1']);
    await expect(service.count(['odd'])).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  it('answers a merchant who was sent little at the price of a page, and finds each delivery', async () => {
    await using service = await served(2);
    const { database } = service;
    const columns =
      'delivery_id, event_id, channel, recipient, order_id, merchant_id, message, at_most_once, state, tries, sending, detail, owner, due_at, created_at, updated_at';
    const row = (id: string, merchant: string) => [`${id}:email:x`, id, 'email', 'x', '', merchant, '{}', 0, 2, 1, 0, '', '', 0, 1, 1];
    const all = Array.from({ length: 5_000 }, (_, i) => row(`later-${i}`, i === 2_500 ? 'odd' : 'm-1'));
    const insert = `INSERT INTO ${database.tables('notify_deliveries')} (${columns}) VALUES (${columns.replace(/\w+/g, '?')})`;
    await database.transaction((tx) => tx.executeMany(insert, all));
    const pages: (string | undefined)[][] = [];
    let pageToken = '';
    do {
      const page = await service.list({ pageToken }, ['odd']);
      pages.push(eventsOf(page));
      pageToken = page.nextPageToken ?? '';
    } while (pageToken !== '');
    expect(pages).toEqual([[], ['later-2500'], ['event-1']]);
    expect(eventsOf(await service.list({ pageSize: 3 }))).toEqual(['later-4999', 'later-4998', 'later-4997']);
  });

  it.each(['x', '-1', '0', '1e9'])('refuses the page token %s that it never gave', async (pageToken) => {
    await using service = await served(0);
    await expect(service.list({ pageToken })).rejects.toMatchObject({ reason: 'INVALID_PAGE_TOKEN' });
  });
});
