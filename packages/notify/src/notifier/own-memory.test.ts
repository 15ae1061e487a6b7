import { createProducer, defineTopic, json, PaystreamError } from '@paystream/core';
import { DeliveryState } from '@paystream/core/contracts';
import type { Database } from '@paystream/core/sql';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Channel, DeliveryOutcome } from '../channel/port.ts';
import { defineTemplate } from '../template/template.ts';
import { createNotifier, type Notifier } from './notifier.ts';

const events = defineTopic({ name: 'events', codec: json(z.object({ n: z.number() })) });
const delivered: DeliveryOutcome = { outcome: 'delivered' };

/** A channel as that of a file is: it knows what is among its own lines, and nothing of those of another. */
function channelTo(lines: string[], answer: () => Promise<DeliveryOutcome> = async () => delivered): Channel {
  return {
    name: 'sms',
    capabilities: { idempotent: 'alone' },
    deliver: async ({ deliveryId }) => {
      if (!lines.includes(deliveryId)) lines.push(deliveryId);
      return answer();
    },
  };
}

type OnUnknown = 'at-most-once' | 'at-least-once';

function start(world: TestWorld, database: Database, sms: Channel, onUnknown: OnUnknown): Promise<Notifier> {
  const template = defineTemplate(() => ({ text: 'x' }), { onUnknown });
  const rules = [{ on: events, to: () => ({ addresses: { sms: '+49' } }), templates: { sms: template } }] as const;
  return createNotifier({ ...world, database, channels: { sms }, rules, retry: { delayMs: 1_000 } });
}

/** Lets a notifier write one message and die before it has recorded that. */
async function writeAndDie(world: TestWorld, database: Database, lines: string[], onUnknown: OnUnknown): Promise<void> {
  let dead = false;
  const gone = (): Promise<never> => Promise.reject(new PaystreamError('UNAVAILABLE', 'killed', { reason: 'TEST' }));
  const mortal: Database = {
    ...database,
    transaction: (work) => (dead ? gone() : database.transaction(work)),
    query: (sql, parameters) => (dead ? gone() : database.query(sql, parameters)),
  };
  const sms = channelTo(lines, async () => {
    dead = true;
    return delivered;
  });
  const notifier = await start(world, mortal, sms, onUnknown);
  const producer = await createProducer(world.broker, events, { clock: world.clock, random: world.random });
  await producer.send({ n: 1 }, { eventId: 'event-1' });
  await world.runUntil(() => dead);
  const closed = notifier.close(0).catch(() => undefined);
  await world.advance({ seconds: 1 });
  await closed;
}

async function stateIn({ database }: TestWorld): Promise<DeliveryState | undefined> {
  const [row] = await database.query<{ state: DeliveryState }>(`SELECT state FROM ${database.tables('notify_deliveries')}`);
  return row?.state;
}

describe('a channel that knows only what it took itself, such as a file', () => {
  it('writes nothing a second time where replicas have one each and messages go out at most once', async () => {
    await using world = await createTestWorld();
    const shared = { ...world.database, exclusive: false };
    const [first, second]: [string[], string[]] = [[], []];
    await writeAndDie(world, shared, first, 'at-most-once');
    await using _notifier = await start(world, shared, channelTo(second), 'at-most-once');
    await world.advance({ minutes: 1 });
    expect([first.length, second.length]).toEqual([1, 0]);
    expect(await stateIn(world)).toBe(DeliveryState.UNKNOWN);
  });

  it('is not asked again, where replicas have one each, what became of a call without an answer: another might be', async () => {
    await using world = await createTestWorld();
    const shared = { ...world.database, exclusive: false };
    const lines: string[] = [];
    const silent = channelTo(lines, () => Promise.reject(new Error('no answer')));
    await using _notifier = await start(world, shared, silent, 'at-most-once');
    const producer = await createProducer(world.broker, events, { clock: world.clock, random: world.random });
    await producer.send({ n: 1 });
    await world.runUntil(async () => (await stateIn(world)) === DeliveryState.UNKNOWN);
    expect(lines).toHaveLength(1);
  });

  it.each([
    ['at least once, on a database of replicas', 'at-least-once', false],
    ['at least once, on a database of its own', 'at-least-once', true],
    ['at most once, on a database of its own', 'at-most-once', true],
  ] as const)('has each message once when the one process that uses it dies and comes back (%s)', async (_, onUnknown, exclusive) => {
    await using world = await createTestWorld();
    const database = { ...world.database, exclusive };
    const lines: string[] = [];
    await writeAndDie(world, database, lines, onUnknown);
    await using _notifier = await start(world, { ...database }, channelTo(lines), onUnknown);
    await world.advance({ minutes: 1 });
    expect(lines).toHaveLength(1);
    expect(await stateIn(world)).toBe(DeliveryState.DELIVERED);
  });
});
