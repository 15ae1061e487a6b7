import { createProducer, defineTopic, json, PaystreamError, type Telemetry, type TraceContext } from '@paystream/core';
import { paystreamTopics } from '@paystream/core/contracts';
import { createSqliteDatabase } from '@paystream/core/embedded';
import type { Database } from '@paystream/core/sql';
import { createTestWorld, type RecordedSpan, type TestWorld } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Channel, DeliveryOutcome } from '../channel/port.ts';
import { defineTemplate } from '../template/template.ts';
import { createNotifier, type Notifier } from './notifier.ts';

const events = defineTopic({ name: 'events', codec: json(z.object({ orderId: z.string() })) });
const callers = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${callers}-b7ad6b7169203331-01`;

type Answer = () => Promise<DeliveryOutcome> | DeliveryOutcome;
const taken: Answer = () => ({ outcome: 'delivered' });
const hangs: Answer = () => new Promise(() => undefined);
const putsOff: Answer = () => {
  throw new PaystreamError('ABORTED', 'later', { reason: 'TEST' });
};

/** Answers as it is told, one after another; takes everything after that. */
function channelOf(...answers: Answer[]): Channel {
  return { name: 'email', capabilities: { idempotent: false }, deliver: async () => (answers.shift() ?? taken)() };
}

function start(world: TestWorld, email: Channel, telemetry: Telemetry = world.telemetry): Promise<Notifier> {
  const template = defineTemplate(() => ({ text: 'x' }), { onUnknown: 'at-most-once' });
  const rules = [{ on: events, to: () => ({ addresses: { email: 'a@example.org' } }), templates: { email: template } }] as const;
  return createNotifier({ ...world, telemetry, channels: { email }, rules });
}

async function publish(world: TestWorld, trace = traceparent): Promise<void> {
  const producer = await createProducer(world.broker, events, { clock: world.clock, random: world.random });
  await producer.send({ orderId: 'o-1' }, { traceparent: trace });
  await producer.close();
}

const traceOf = (context: TraceContext | undefined): string | undefined => context?.traceparent?.split('-')[1];
const deliveries = (world: TestWorld): readonly RecordedSpan[] => world.telemetry.spans.filter(({ name }) => name === 'deliver email');

/** The entries of the log, each with its trace. */
async function logged(world: TestWorld): Promise<readonly (readonly [event: string, traceId: string])[]> {
  const { transactionLogs } = paystreamTopics();
  const reader = await world.broker.createReader({ topic: transactionLogs.name, start: 'earliest' });
  const messages = await reader.receive(100);
  await reader.close();
  return messages.map(({ payload }) => transactionLogs.codec.decode(payload)).map(({ event, traceId }) => [event, traceId]);
}

describe('who follows an event by its trace', () => {
  it('comes from it to a delivery that is tried again later, and to how that ended', async () => {
    await using world = await createTestWorld();
    await using _notifier = await start(world, channelOf(putsOff));
    await publish(world);
    await world.advance({ seconds: 30 });
    const [first, second] = deliveries(world) as [RecordedSpan, RecordedSpan];
    expect(traceOf(first)).toBe(callers);
    expect([second.parent, second.links.map(traceOf)]).toEqual([undefined, [callers]]);
    expect([first, second].map(({ attributes }) => attributes['paystream.order_id'])).toEqual(['o-1', 'o-1']);
    expect(await logged(world)).toEqual([['notification.delivered', traceOf(second)]]);
  });

  it('comes to what another process finds of a delivery that its process had begun', async () => {
    await using world = await createTestWorld();
    let dead = false;
    const database = await createSqliteDatabase({ path: ':memory:', clock: world.clock });
    const { transaction, query } = database;
    const dying: Database = {
      ...database,
      transaction: (work, options) => (dead ? new Promise(() => undefined) : transaction(work, options)),
      query: (sql, parameters, options) => (dead ? new Promise(() => undefined) : query(sql, parameters, options)),
    };
    await start({ ...world, database: dying }, channelOf(hangs));
    await publish(world);
    await world.advance({ seconds: 1 });
    expect(deliveries(world)).toHaveLength(1);
    dead = true;
    await using _next = await start({ ...world, database }, channelOf());
    await world.advance({ seconds: 30 });
    expect(await logged(world)).toEqual([['notification.unknown', callers]]);
  });

  it('reads one trace in the log where the notifier keeps no spans', async () => {
    await using world = await createTestWorld();
    await using _notifier = await start(world, channelOf(putsOff), { ...world.telemetry, tracing: false });
    await publish(world);
    await world.advance({ seconds: 30 });
    expect(await logged(world)).toEqual([['notification.delivered', callers]]);
  });

  it('an event with a trace context that is none is told all the same', async () => {
    await using world = await createTestWorld();
    await using _notifier = await start(world, channelOf(putsOff), { ...world.telemetry, tracing: false });
    await publish(world, 'nonsense'.repeat(40));
    await world.advance({ seconds: 30 });
    expect((await logged(world)).map(([event]) => event)).toEqual(['notification.delivered']);
  });
});
