import { createProducer, defineTopic, json, PaystreamError } from '@paystream/core';
import { DeliveryState } from '@paystream/core/contracts';
import { createSeededRandom, createTestWorld, type TestWorld } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Channel } from '../channel/port.ts';
import { defineTemplate } from '../template/template.ts';
import { createNotifier, type Notifier, type NotifierOptions } from './notifier.ts';
import { decide, defaultRetry } from './retry.ts';

const events = defineTopic({ name: 'events', codec: json(z.object({ n: z.number() })) });

/** A mail server that can be away; it notes when messages were sent. */
function mailServer({ clock }: TestWorld) {
  const server = {
    /** How many more it takes. */
    takes: 0,
    sentAtMs: [] as number[],
    channel: {
      name: 'email',
      capabilities: { idempotent: false },
      deliver: async () => {
        if (server.takes === 0) throw new PaystreamError('UNAVAILABLE', 'no route', { reason: 'TEST' });
        server.takes -= 1;
        server.sentAtMs.push(clock.now());
        return { outcome: 'delivered' };
      },
    } satisfies Channel,
  };
  return server;
}

/** Renews leases seldom: days of that would take long. */
function start(world: TestWorld, email: Channel, retry: NotifierOptions<never>['retry'] = {}): Promise<Notifier> {
  const rules = [
    { on: events, to: () => ({ addresses: { email: 'a@example.org' } }), templates: { email: defineTemplate(() => ({ text: 'x' })) } },
  ] as const;
  return createNotifier({ ...world, channels: { email }, rules, retry, leaseMs: 86_400_000 });
}

async function publish(world: TestWorld, count: number, from = 0): Promise<void> {
  const producer = await createProducer(world.broker, events, { clock: world.clock, random: world.random });
  for (let n = 0; n < count; n += 1) await producer.send({ n: from + n });
  await producer.close();
}

async function statesIn({ database }: TestWorld): Promise<readonly DeliveryState[]> {
  const rows = await database.query<{ state: DeliveryState }>(`SELECT state FROM ${database.tables('notify_deliveries')}`);
  return rows.map(({ state }) => state);
}

const { DELIVERED, FAILED, PENDING } = DeliveryState;

describe('a channel that is away', () => {
  it.each([600, 605, 610, 615, 620, 625])('gets its messages within half a minute of its being back (after %d s)', async (seconds) => {
    await using world = await createTestWorld();
    const server = mailServer(world);
    await using _notifier = await start(world, server.channel);
    await publish(world, 1);
    await world.advance({ seconds });
    const backAtMs = world.clock.now();
    server.takes = 100;
    await world.advance({ minutes: 2 });
    expect(server.sentAtMs).toHaveLength(1);
    expect((server.sentAtMs[0] as number) - backAtMs).toBeLessThanOrEqual(30_000);
  });

  it.each([
    ['a weekend', 64, PENDING],
    ['six days and 23 hours', 167, PENDING],
    ['a week', 168, FAILED],
  ] as const)('costs a message nothing before a week is over (%s)', async (_, hours, state) => {
    const message = { deliveryId: 'd', eventId: 'e', recipient: 'a@example.org', text: 'x', orderId: '', merchantId: '' };
    const delivery = { message, atMostOnce: false, tries: 0, createdAtMs: 1_000 };
    const random = createSeededRandom(1);
    const context = {
      channel: 'email',
      idempotent: false,
      retry: defaultRetry,
      random,
      awayForMs: hours * 3_600_000,
      nowMs: 1_000 + hours * 3_600_000,
    };
    expect(decide(delivery, { kind: 'away', detail: '' }, context).state).toBe(state);
  });

  it('costs no message that has waited for long while no notifier ran, or while it was there', async () => {
    await using world = await createTestWorld();
    const server = mailServer(world);
    const first = await start(world, server.channel);
    await publish(world, 3);
    await world.advance({ seconds: 1 });
    await first.close();
    await world.advance({ hours: 24 * 30 });
    await using _second = await start(world, server.channel);
    await world.advance({ minutes: 10 });
    expect(await statesIn(world)).toEqual([PENDING, PENDING, PENDING]);
    server.takes = 100;
    await world.advance({ minutes: 1 });
    expect(await statesIn(world)).toEqual([DELIVERED, DELIVERED, DELIVERED]);
  });

  it('counts anew when it was back for a moment', async () => {
    await using world = await createTestWorld();
    const server = mailServer(world);
    await using _notifier = await start(world, server.channel, { giveUpAfterMs: 3_600_000 });
    await publish(world, 2);
    await world.advance({ minutes: 50 });
    server.takes = 1;
    await world.advance({ minutes: 50 });
    expect((await statesIn(world)).toSorted()).toEqual([PENDING, DELIVERED].toSorted());
    await world.advance({ minutes: 15 });
    expect((await statesIn(world)).toSorted()).toEqual([DELIVERED, FAILED].toSorted());
  });

  it('is not taken for away for the sake of one message that its server always refuses with those words: it fails, others go on', async () => {
    await using world = await createTestWorld();
    const sent: string[] = [];
    let asked = 0;
    const email: Channel = {
      name: 'email',
      capabilities: { idempotent: false },
      deliver: async ({ text }) => {
        if (text === 'poison') asked += 1;
        if (text === 'poison') throw new PaystreamError('UNAVAILABLE', '421 try again later', { reason: 'TEST' });
        sent.push(text);
        return { outcome: 'delivered' };
      },
    };
    const template = defineTemplate<{ readonly n: number }>(({ n }) => ({ text: n === 0 ? 'poison' : `message ${n}` }));
    const rules = [{ on: events, to: () => ({ addresses: { email: 'a@example.org' } }), templates: { email: template } }] as const;
    await using _notifier = await createNotifier({ ...world, channels: { email }, rules, retry: { attempts: 4 } });
    await publish(world, 20);
    await world.advance({ seconds: 10 });
    expect(sent).toHaveLength(19);
    for (let n = 1; n <= 20; n += 1) {
      await publish(world, 1, n);
      await world.advance({ minutes: 1 });
    }
    expect(sent).toHaveLength(39);
    expect((await statesIn(world)).filter((state) => state === FAILED)).toHaveLength(1);
    expect(asked).toBeLessThan(50);
  });

  it('costs those messages in the end that were there all the while, and none that came since', async () => {
    await using world = await createTestWorld();
    const server = mailServer(world);
    await using _notifier = await start(world, server.channel, { giveUpAfterMs: 3_600_000 });
    await publish(world, 2);
    await world.advance({ minutes: 50 });
    await publish(world, 2);
    await world.advance({ minutes: 15 });
    expect((await statesIn(world)).toSorted()).toEqual([PENDING, PENDING, FAILED, FAILED].toSorted());
    server.takes = 100;
    await world.advance({ minutes: 1 });
    expect((await statesIn(world)).toSorted()).toEqual([DELIVERED, DELIVERED, FAILED, FAILED].toSorted());
  });
});
