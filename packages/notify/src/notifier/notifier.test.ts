import { create } from '@bufbuild/protobuf';
import { createProducer, defineTopic, json, PaystreamError, type Telemetry } from '@paystream/core';
import {
  DeliveryState,
  type LogEntry,
  paystreamTopics,
  type WalletUpdate,
  WalletUpdateKind,
  WalletUpdateSchema,
} from '@paystream/core/contracts';
import { createSqliteDatabase } from '@paystream/core/embedded';
import { createTestWorld, losingAnswers, type TestWorld } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Channel, ChannelMessage, DeliveryOutcome } from '../channel/port.ts';
import { contactsBy } from '../contacts/contacts.ts';
import { defineTemplate } from '../template/template.ts';
import { saleEmail, saleSms } from '../template/wallet-templates.ts';
import { createNotifier, type Notifier, type NotifierOptions } from './notifier.ts';

const { walletUpdates, transactionLogs } = paystreamTopics();

function sale(id: number, more: { readonly amount?: { readonly currency: string; readonly units: bigint } } = {}): WalletUpdate {
  const amount = { currency: 'EUR', units: 1_999n };
  return create(WalletUpdateSchema, {
    operationId: `capture-${id}`,
    merchantId: 'm1',
    orderId: `o-${id}`,
    kind: WalletUpdateKind.SALE,
    amount,
    fee: { currency: 'EUR', units: 59n },
    wallet: { merchantId: 'm1', balance: amount, revenue: amount, profit: amount, sales: 1n, version: 1n },
    ...more,
  });
}

async function publish(world: TestWorld, from: number, to: number): Promise<void> {
  const producer = await createProducer(world.broker, walletUpdates, { clock: world.clock, random: world.random });
  await Promise.all(Array.from({ length: to - from }, (_, i) => producer.send(sale(from + i), { eventId: `event-${from + i}` })));
  await producer.close();
}

type Answer = (message: ChannelMessage, signal: AbortSignal) => Promise<DeliveryOutcome> | DeliveryOutcome;
const taken: DeliveryOutcome = { outcome: 'delivered' };

/** A channel that remembers what it was asked to send and answers as the test says. */
function channelOf(name: string, answer: Answer = () => taken, idempotent = false): Channel & { readonly sent: ChannelMessage[] } {
  const sent: ChannelMessage[] = [];
  return {
    name,
    sent,
    capabilities: { idempotent },
    deliver: async (message, { signal }) => {
      sent.push(message);
      return answer(message, signal);
    },
  };
}

const merchant = { name: 'Shop', addresses: { email: 'shop@example.org', sms: '+491701234567' } };

function start(world: TestWorld, channels: Record<string, Channel>, options: Partial<NotifierOptions<readonly [WalletUpdate]>> = {}) {
  const templates = Object.fromEntries(Object.keys(channels).map((name) => [name, name === 'sms' ? saleSms : saleEmail]));
  return createNotifier({ ...world, channels, rules: [{ on: walletUpdates, to: () => merchant, templates }], ...options });
}

async function states(world: Pick<TestWorld, 'database'>): Promise<Record<string, number>> {
  const rows = await world.database.query<{ channel: string; state: DeliveryState; n: number }>(
    `SELECT channel, state, COUNT(*) AS n FROM ${world.database.tables('notify_deliveries')} GROUP BY channel, state`,
  );
  return Object.fromEntries(rows.map((row) => [`${row.channel} ${row.state}`, row.n]));
}

const all = (world: TestWorld, wanted: Record<string, number>) => async () =>
  JSON.stringify(Object.entries(await states(world)).sort()) === JSON.stringify(Object.entries(wanted).sort());

async function logsOf(world: TestWorld): Promise<readonly LogEntry[]> {
  const reader = await world.broker.createReader({ topic: transactionLogs.name, start: 'earliest' });
  const messages = await reader.receive(10_000);
  await reader.close();
  return messages.map((message) => transactionLogs.codec.decode(message.payload));
}

/** Gives up what is under way at once. */
async function closeNow(world: TestWorld, notifier: Notifier): Promise<void> {
  const closing = notifier.close(0);
  const settled = closing.catch(() => undefined);
  await world.advance({ seconds: 30 });
  await settled;
  return closing;
}

/** Hours of renewing leases would take a real database minutes. */
const rareLeases = { leaseMs: 3_600_000 };

const { DELIVERED, REJECTED, FAILED, UNKNOWN, PENDING } = DeliveryState;

describe('the notifier', () => {
  it('tells each event once on each channel and logs that it did', async () => {
    await using world = await createTestWorld();
    const [email, sms] = [channelOf('email'), channelOf('sms')];
    await using notifier = await start(world, { email, sms });
    await publish(world, 0, 50);
    await publish(world, 25, 75);
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 75, [`sms ${DELIVERED}`]: 75 }));
    await world.advance({ minutes: 1 });
    expect(new Set(email.sent.map((message) => message.deliveryId)).size).toBe(75);
    expect(email.sent).toHaveLength(75);
    expect(sms.sent).toHaveLength(75);
    expect(email.sent[0]).toMatchObject({
      recipient: 'shop@example.org',
      subject: 'Sale of 19.99 EUR',
      merchantId: 'm1',
      orderId: 'o-0',
      eventId: 'event-0',
    });
    const logs = await logsOf(world);
    expect(logs).toHaveLength(150);
    expect(logs[0]).toMatchObject({ event: 'notification.delivered', merchantId: 'm1', service: 'notify', attributes: { tries: '1' } });
    expect(logs.some((entry) => JSON.stringify(entry.attributes).includes('shop@example.org'))).toBe(false);
    await notifier.check();
  });

  it('tells nobody where the rule, the contact or the address says so', async () => {
    await using world = await createTestWorld();
    const [email, sms] = [channelOf('email'), channelOf('sms')];
    await using notifier = await createNotifier({
      ...world,
      channels: { email, sms },
      rules: [
        {
          on: walletUpdates,
          when: (update) => update.orderId !== 'o-0',
          to: async (update) => (update.orderId === 'o-1' ? undefined : { addresses: { email: 'a@example.org' } }),
          templates: { email: saleEmail, sms: saleSms },
        },
      ],
    });
    await publish(world, 0, 4);
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 2 }));
    expect(email.sent.map((message) => message.orderId)).toEqual(['o-2', 'o-3']);
    expect(sms.sent).toEqual([]);
    expect(notifier.channels.map((status) => status.state)).toEqual(['running', 'running']);
  });

  it('asks for contacts once a batch, and remembers them', async () => {
    await using world = await createTestWorld();
    const asked: (readonly string[])[] = [];
    const email = channelOf('email');
    const to = contactsBy({
      key: (update: WalletUpdate) => update.merchantId,
      load: async (ids) => {
        asked.push(ids);
        return new Map(ids.map((id) => [id, merchant]));
      },
      clock: world.clock,
    });
    await using _notifier = await createNotifier({
      ...world,
      channels: { email },
      rules: [{ on: walletUpdates, to, templates: { email: saleEmail } }],
    });
    await publish(world, 0, 100);
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 100 }));
    await publish(world, 100, 110);
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 110 }));
    expect(asked).toEqual([['m1']]);
  });

  it('serves rules on several topics, each typed by its own', async () => {
    await using world = await createTestWorld();
    const signups = defineTopic({ name: 'signups', codec: json(z.object({ address: z.email() })) });
    const email = channelOf('email');
    const welcome = defineTemplate(({ address }: { address: string }) => ({ subject: 'Welcome', text: `Hello ${address}` }));
    await using _notifier = await createNotifier({
      ...world,
      channels: { email },
      rules: [
        { on: walletUpdates, when: (update) => update.kind === WalletUpdateKind.SALE, to: () => merchant, templates: { email: saleEmail } },
        { on: signups, to: (signup) => ({ addresses: { email: signup.address } }), templates: { email: welcome } },
      ],
    });
    await publish(world, 0, 1);
    const producer = await createProducer(world.broker, signups, { clock: world.clock });
    await producer.send({ address: 'new@example.org' });
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 2 }));
    expect(email.sent.map((message) => message.recipient).sort()).toEqual(['new@example.org', 'shop@example.org']);
  });

  it('sends an event that cannot be told to the dead-letter topic and goes on', async () => {
    await using world = await createTestWorld();
    const email = channelOf('email');
    await using _notifier = await start(world, { email });
    const raw = await world.broker.createProducer({ topic: walletUpdates.name });
    await raw.send({ payload: new Uint8Array([255]) });
    const producer = await createProducer(world.broker, walletUpdates, { clock: world.clock });
    await producer.send(sale(0, { amount: { currency: 'XXX', units: 1n } }));
    await publish(world, 1, 11);
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 10 }));
    const dead = await world.broker.subscribe({
      topic: `${walletUpdates.name}-notifier-dlq`,
      subscription: 't',
      initialPosition: 'earliest',
    });
    await world.runUntil(async () => (await dead.backlog()) === 2);
  });

  it('refuses a template for a channel that there is not', async () => {
    await using world = await createTestWorld();
    const rules = [{ on: walletUpdates, to: () => merchant, templates: { fax: saleSms } }] as const;
    await expect(createNotifier({ ...world, channels: {}, rules })).rejects.toMatchObject({ reason: 'UNKNOWN_CHANNEL' });
  });

  it('refuses names that no column holds before anything is sent', async () => {
    await using world = await createTestWorld();
    const [longest, longer] = ['😀'.repeat(128), 'n'.repeat(129)];
    const refused = { code: 'INVALID_ARGUMENT', reason: 'INVALID_NOTIFIER_OPTION' };
    await expect(createNotifier({ ...world, channels: {}, rules: [], instance: longer })).rejects.toMatchObject(refused);
    const fax = channelOf('fax');
    await expect(createNotifier({ ...world, channels: { [longer]: fax }, rules: [] })).rejects.toMatchObject(refused);
    const rule = { on: walletUpdates, to: () => ({ addresses: { [longest]: '+49' } }), templates: { [longest]: saleSms } };
    await using _ = await createNotifier({ ...world, channels: { [longest]: fax }, rules: [rule], instance: longest });
    await publish(world, 0, 1);
    await world.runUntil(all(world, { [`${longest} ${DELIVERED}`]: 1 }));
  });

  it('tries again what was put off, with the same words, and gives up in the end', async () => {
    await using world = await createTestWorld();
    let tries = 0;
    const email = channelOf('email', () => {
      tries += 1;
      if (tries < 4) throw new PaystreamError('ABORTED', 'later', { reason: 'TEST' });
      return taken;
    });
    const sms = channelOf('sms', () => {
      throw new PaystreamError('ABORTED', 'never', { reason: 'TEST' });
    });
    await using _notifier = await start(world, { email, sms }, { retry: { attempts: 5, delayMs: 1_000 } });
    await publish(world, 0, 1);
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 1, [`sms ${FAILED}`]: 1 }));
    expect(email.sent).toHaveLength(4);
    expect(new Set(email.sent.map(({ deliveryId, subject, text, html }) => [deliveryId, subject, text, html].join('|'))).size).toBe(1);
    expect(sms.sent).toHaveLength(5);
    const endings = (await logsOf(world)).map((entry) => [entry.event, entry.attributes['tries']]);
    expect(endings.sort()).toEqual([
      ['notification.delivered', '4'],
      ['notification.failed', '5'],
    ]);
  });

  it('never tries again what was rejected', async () => {
    await using world = await createTestWorld();
    const email = channelOf('email', () => ({ outcome: 'rejected', reason: '550 no such user' }));
    await using _notifier = await start(world, { email }, rareLeases);
    await publish(world, 0, 1);
    await world.runUntil(all(world, { [`email ${REJECTED}`]: 1 }));
    await world.advance({ hours: 2 });
    expect(email.sent).toHaveLength(1);
    expect((await logsOf(world))[0]).toMatchObject({ event: 'notification.rejected', attributes: { detail: '550 no such user' } });
  });

  it.each([
    ['at-most-once', UNKNOWN, 1],
    ['at-least-once', DELIVERED, 2],
  ] as const)('lets the template decide (%s) when it is not known whether a message was sent', async (onUnknown, state, calls) => {
    await using world = await createTestWorld();
    let first = true;
    const email = channelOf('email', () => {
      if (!first) return taken;
      first = false;
      return new Promise(() => undefined);
    });
    const template = defineTemplate(() => ({ text: 'x' }), { onUnknown });
    await using _notifier = await createNotifier({
      ...world,
      ...rareLeases,
      channels: { email },
      rules: [{ on: walletUpdates, to: () => merchant, templates: { email: template } }],
    });
    await publish(world, 0, 1);
    await world.runUntil(all(world, { [`email ${state}`]: 1 }));
    await world.advance({ hours: 1 });
    expect(email.sent).toHaveLength(calls);
  });

  it('lets a slow channel hold up neither another channel nor the events, in bounded memory', async () => {
    await using world = await createTestWorld();
    const waiting: (() => void)[] = [];
    const email = channelOf('email', () => new Promise((resolve) => waiting.push(() => resolve(taken))));
    const sms = channelOf('sms', () => taken);
    await using notifier = await start(world, { email, sms }, { delivery: { concurrency: 4, timeoutMs: 3_600_000 } });
    await publish(world, 0, 1_000);
    await world.runUntil(async () => (await states(world))[`sms ${DELIVERED}`] === 1_000);
    expect((await states(world))[`email ${PENDING}`]).toBe(1_000);
    expect(email.sent).toHaveLength(4);
    expect(notifier.channels.find((status) => status.channel === 'email')?.inMemory).toBeLessThan(200);
    const release = async () => {
      for (const go of waiting.splice(0)) go();
      return (await states(world))[`email ${DELIVERED}`] === 1_000;
    };
    while (!(await release())) await world.advance({ ms: 100 });
    expect(new Set(email.sent.map((message) => message.deliveryId)).size).toBe(1_000);
    expect(email.sent).toHaveLength(1_000);
  });

  it('pauses a channel that is away, uses up no try, and goes on when it is back', async () => {
    await using world = await createTestWorld();
    let away = true;
    const email = channelOf('email', () => {
      if (away) throw new PaystreamError('UNAVAILABLE', 'no route', { reason: 'TEST' });
      return taken;
    });
    await using notifier = await start(world, { email }, { retry: { attempts: 2 } });
    await publish(world, 0, 300);
    await world.advance({ hours: 1 });
    expect(notifier.channels).toMatchObject([{ state: 'paused', pausedBy: 'TEST: no route' }]);
    expect(email.sent.length).toBeLessThan(150);
    const { telemetry } = world;
    const attempts = (outcome: string) => telemetry.counter('paystream_notify_attempts_total', { channel: 'email', outcome });
    const gauges = () =>
      ['paystream_notify_channel_paused', 'paystream_notify_in_memory'].map((name) => telemetry.gaugeValue(name, { channel: 'email' }));
    expect([attempts('away'), attempts('delivered')]).toEqual([email.sent.length, 0]);
    expect(gauges()).toEqual([1, notifier.channels[0]?.inMemory]);
    away = false;
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 300 }));
    expect(notifier.channels).toMatchObject([{ state: 'running', inMemory: 0 }]);
    expect([attempts('delivered'), ...gauges()]).toEqual([300, 0, 0]);
    expect((await logsOf(world)).every((entry) => entry.attributes['tries'] === '1')).toBe(true);
  });

  it('gives up a delivery whose channel stays away for too long', async () => {
    await using world = await createTestWorld();
    const email = channelOf('email', () => {
      throw new PaystreamError('UNAVAILABLE', 'no route', { reason: 'TEST' });
    });
    await using _notifier = await start(world, { email }, { ...rareLeases, retry: { giveUpAfterMs: 300_000 } });
    await publish(world, 0, 3);
    await world.advance({ minutes: 4 });
    expect(await states(world)).toEqual({ [`email ${PENDING}`]: 3 });
    await world.advance({ minutes: 4 });
    expect(await states(world)).toEqual({ [`email ${FAILED}`]: 3 });
  });

  it('finishes what an instance that died had begun: an idempotent channel is asked again', async () => {
    await using world = await createTestWorld();
    const stuck = channelOf('email', () => new Promise(() => undefined), true);
    const dead = await start({ ...world, broker: world.broker }, { email: stuck }, { delivery: { timeoutMs: 1e9 } });
    await publish(world, 0, 20);
    await world.runUntil(() => stuck.sent.length > 0);
    await closeNow(world, dead);
    const email = channelOf('email', () => taken, true);
    await using _notifier = await start(world, { email });
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 20 }));
    expect(new Set(email.sent.map((message) => message.deliveryId)).size).toBe(20);
  });

  it('says that a batch channel failed for the one message at fault only', async () => {
    await using world = await createTestWorld();
    const email: Channel = {
      name: 'email',
      capabilities: { idempotent: true, batch: true },
      deliver: async (message) => (message.orderId === 'o-3' ? { outcome: 'rejected', reason: 'bad' } : taken),
      deliverAll: async (messages) => {
        if (messages.some((message) => message.orderId === 'o-3')) throw new Error('one is bad');
        return messages.map(() => taken);
      },
    };
    await using _notifier = await start(world, { email });
    await publish(world, 0, 10);
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 9, [`email ${REJECTED}`]: 1 }));
  });

  it('lets nothing in an event add a header or a second line to a subject', async () => {
    await using world = await createTestWorld();
    const email = channelOf('email');
    const template = defineTemplate(() => ({ subject: 'Hello\r\nBcc: all@example.org\u2028x', text: 'x' }));
    await using _notifier = await createNotifier({
      ...world,
      channels: { email },
      rules: [{ on: walletUpdates, to: () => merchant, templates: { email: template } }],
    });
    await publish(world, 0, 1);
    await world.runUntil(() => email.sent.length === 1);
    expect(email.sent[0]?.subject).toBe('Hello Bcc: all@example.org x');
  });
});

describe('several notifiers on one database', () => {
  it('share the work, and take over from one that stands still', async () => {
    await using world = await createTestWorld();
    // Leases count only where others can be alive elsewhere.
    const database = { ...world.database, exclusive: false };
    const frozen = channelOf('email', () => new Promise(() => undefined), true);
    const first: Notifier = await start(
      world,
      { email: frozen },
      { database, delivery: { timeoutMs: 1e9, concurrency: 2 }, leaseMs: 9_000 },
    );
    await publish(world, 0, 30);
    await world.runUntil(() => frozen.sent.length === 2);
    const email = channelOf('email', () => taken, true);
    await using _second = await start(world, { email }, { database, leaseMs: 9_000 });
    await world.advance({ minutes: 1 });
    expect(email.sent).toHaveLength(0);
    const closing = first.close(0);
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 30 }));
    await closing;
    expect(email.sent).toHaveLength(30);
  });

  it('treats what was being sent when the process died as unknown where it may not be sent twice', async () => {
    await using world = await createTestWorld();
    const database = await createSqliteDatabase({ path: ':memory:', clock: world.clock });
    const template = defineTemplate(() => ({ text: 'x' }), { onUnknown: 'at-most-once' });
    const rules = [{ on: walletUpdates, to: () => merchant, templates: { email: template } }] as const;
    const stuck = channelOf('email', () => new Promise(() => undefined));
    let dead = false;
    const dying = {
      ...database,
      exclusive: false,
      transaction: ((work) =>
        dead
          ? Promise.reject(new PaystreamError('UNAVAILABLE', 'dead', { reason: 'TEST' }))
          : database.transaction(work)) as typeof database.transaction,
    };
    const first = await createNotifier({
      ...world,
      database: dying,
      channels: { email: stuck },
      rules,
      delivery: { concurrency: 3, timeoutMs: 1e9 },
    });
    await publish(world, 0, 10);
    await world.runUntil(() => stuck.sent.length === 3);
    dead = true;
    const email = channelOf('email');
    await using _second = await createNotifier({ ...world, database: { ...database, exclusive: false }, channels: { email }, rules });
    await world.advance({ minutes: 1 });
    expect(await states({ database })).toEqual({ [`email ${UNKNOWN}`]: 3, [`email ${DELIVERED}`]: 7 });
    expect(email.sent).toHaveLength(7);
    await expect(closeNow(world, first)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('sends nothing that others took over while it stood still, just before it noted that it sends it', async () => {
    await using world = await createTestWorld();
    const template = defineTemplate(() => ({ text: 'x' }), { onUnknown: 'at-most-once' });
    const rules = [{ on: walletUpdates, to: () => merchant, templates: { email: template } }] as const;
    const real = await createSqliteDatabase({ path: ':memory:', clock: world.clock });
    const thaw = Promise.withResolvers<void>();
    const late = channelOf('email');
    let frozen = false;
    const first = await createNotifier({
      ...world,
      database: {
        ...real,
        exclusive: false,
        transaction: async (work) => {
          if (frozen) await thaw.promise;
          const result = await real.transaction(work);
          const [row] = await real.query<{ n: number }>(`SELECT COUNT(*) AS n FROM ${real.tables('notify_deliveries')}`);
          frozen = row?.n === 5;
          return result;
        },
      },
      channels: { email: late },
      rules,
    });
    await publish(world, 0, 5);
    await world.runUntil(() => frozen);
    const email = channelOf('email');
    await using _second = await createNotifier({ ...world, database: { ...real, exclusive: false }, channels: { email }, rules });
    await world.runUntil(() => email.sent.length === 5);
    frozen = false;
    thaw.resolve();
    await world.advance({ minutes: 1 });
    expect(late.sent).toEqual([]);
    expect(await states({ database: real })).toEqual({ [`email ${DELIVERED}`]: 5 });
    await first.close();
  });
});

describe('a notifier that got no answer to a commit', () => {
  const busyOnce = (idempotent: boolean) => {
    let tries = 0;
    return channelOf(
      'email',
      () => {
        tries += 1;
        if (tries === 1) throw new PaystreamError('RESOURCE_EXHAUSTED', 'later', { reason: 'BUSY' });
        return taken;
      },
      idempotent,
    );
  };

  it.each([
    ['at-most-once', false],
    ['at-least-once', true],
  ] as const)('still sends what it had claimed by it (%s)', async (onUnknown, idempotent) => {
    await using world = await createTestWorld();
    const link = losingAnswers({ ...world.database, exclusive: false });
    const template = defineTemplate(() => ({ text: 'x' }), { onUnknown });
    const email = busyOnce(idempotent);
    link.loseNext(/SET owner = \? WHERE delivery_id IN/);
    await using _notifier = await createNotifier({
      ...world,
      database: link.database,
      channels: { email },
      rules: [{ on: walletUpdates, to: () => merchant, templates: { email: template } }],
    });
    await publish(world, 0, 1);
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 1 }), { maxMs: 60_000 });
    expect(link.lost).toBe(1);
    expect(email.sent).toHaveLength(2);
  });

  it('still sends what it had taken in by it, although events of another topic came in before that came again', async () => {
    await using world = await createTestWorld();
    const link = losingAnswers({ ...world.database, exclusive: false });
    const pings = defineTopic({ name: 'pings', codec: json(z.object({ to: z.string() })) });
    const email = channelOf('email');
    await using _notifier = await createNotifier({
      ...world,
      database: link.database,
      channels: { email },
      rules: [
        { on: walletUpdates, to: () => merchant, templates: { email: saleEmail } },
        { on: pings, to: ({ to }) => ({ addresses: { email: to } }), templates: { email: defineTemplate(() => ({ text: 'ping' })) } },
      ],
    });
    const pinger = await createProducer(world.broker, pings, { clock: world.clock, random: world.random });
    link.loseNext(/INSERT.*notify_deliveries/s);
    await publish(world, 0, 1);
    await world.runUntil(() => link.lost === 1);
    await pinger.send({ to: 'you@example.org' });
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 2 }), { maxMs: 60_000 });
    expect(email.sent.map(({ recipient }) => recipient).toSorted()).toEqual(['shop@example.org', 'you@example.org']);
  });

  it.each(['at-most-once', 'at-least-once'] as const)(
    'sends each once, however often that happens, beside another one (%s)',
    async (onUnknown) => {
      await using world = await createTestWorld();
      const template = defineTemplate(() => ({ text: 'x' }), { onUnknown });
      const rules = [{ on: walletUpdates, to: () => merchant, templates: { email: template } }] as const;
      const deferred = new Set<string>();
      const answer: Answer = async ({ deliveryId }) => {
        await world.clock.sleep(40);
        if (deferred.has(deliveryId) || deliveryId.length % 2 === 0) return taken;
        deferred.add(deliveryId);
        throw new PaystreamError('RESOURCE_EXHAUSTED', 'later', { reason: 'BUSY' });
      };
      const links = [0, 1].map(() => losingAnswers({ ...world.database, exclusive: false }));
      const emails = [0, 1].map(() => channelOf('email', answer));
      const notifiers = await Promise.all(
        links.map(({ database }, index) =>
          createNotifier({ ...world, database, channels: { email: emails[index] as Channel }, rules, instance: `notifier-${index}` }),
        ),
      );
      for (let round = 0; round < 40; round++) {
        for (const link of links) link.loseNext(/notify_deliveries/, round % 3);
        await publish(world, round * 5, round * 5 + 5);
        await world.advance(500);
      }
      await world.runUntil(all(world, { [`email ${DELIVERED}`]: 200 }), { maxMs: 120_000 });
      expect(links.reduce((sum, { lost }) => sum + lost, 0)).toBeGreaterThan(20);
      const times = new Map<string, number>();
      for (const { deliveryId } of emails.flatMap(({ sent }) => sent)) times.set(deliveryId, (times.get(deliveryId) ?? 0) + 1);
      expect([...times].filter(([id, count]) => count !== (deferred.has(id) ? 2 : 1))).toEqual([]);
      for (const notifier of notifiers) await notifier.close();
    },
  );
});

it('counts deliveries for the operator', async () => {
  await using world = await createTestWorld();
  const counted: Record<string, number> = {};
  const telemetry: Telemetry = {
    ...world.telemetry,
    count: (name, labels, by = 1) => {
      const key = `${name} ${labels['channel']} ${labels['event'] ?? ''}`.trim();
      counted[key] = (counted[key] ?? 0) + by;
    },
  };
  const email = channelOf('email');
  await using _notifier = await start(world, { email }, { telemetry });
  await publish(world, 0, 10);
  await world.runUntil(all(world, { [`email ${DELIVERED}`]: 10 }));
  await world.clock.settle();
  expect(counted['paystream_notify_deliveries_total email notification.delivered']).toBe(10);
});

describe('the span of a delivery', () => {
  const spansOf = (world: TestWorld) => world.telemetry.spans.filter(({ name }) => name === 'deliver email');
  const errors = (world: TestWorld) =>
    spansOf(world).map(({ error }) => (error === undefined ? undefined : PaystreamError.from(error).reason));

  it('has an error where the message did not go out, so that a trace shows it', async () => {
    await using world = await createTestWorld();
    const answers: Answer[] = [
      () => ({ outcome: 'rejected', reason: '550 no such user shop@example.org' }),
      () => {
        throw new PaystreamError('ABORTED', 'later', { reason: 'TEST' });
      },
      () => {
        throw new PaystreamError('UNAVAILABLE', 'no route', { reason: 'TEST' });
      },
      () => {
        throw new Error('connection reset');
      },
    ];
    const email = channelOf('email', (message, signal) => (answers.shift() ?? (() => taken))(message, signal));
    await using _notifier = await start(world, { email }, rareLeases);
    await publish(world, 0, 1);
    await world.runUntil(all(world, { [`email ${REJECTED}`]: 1 }));
    await publish(world, 1, 2);
    await world.runUntil(all(world, { [`email ${REJECTED}`]: 1, [`email ${DELIVERED}`]: 1 }));
    expect(errors(world)).toEqual(['DELIVERY_REJECTED', 'DELIVERY_DEFERRED', 'CHANNEL_AWAY', 'DELIVERY_UNKNOWN', undefined]);
    expect(spansOf(world).map(({ attributes }) => attributes['paystream.outcome'])).toEqual([
      'rejected',
      'deferred',
      'away',
      'unknown',
      'delivered',
    ]);
    // Servers repeat addresses in their words.
    expect(
      spansOf(world)
        .map(({ error }) => String(error))
        .join(),
    ).not.toContain('shop@example.org');
  });

  it('of several messages has an error if one of them did not go out', async () => {
    await using world = await createTestWorld();
    const email: Channel = {
      name: 'email',
      capabilities: { idempotent: true, batch: true },
      deliver: async () => taken,
      deliverAll: async (messages) => messages.map(({ orderId }) => (orderId === 'o-3' ? { outcome: 'rejected', reason: 'bad' } : taken)),
    };
    await using _notifier = await start(world, { email });
    await publish(world, 0, 10);
    await world.runUntil(all(world, { [`email ${DELIVERED}`]: 9, [`email ${REJECTED}`]: 1 }));
    expect(errors(world).filter((error) => error !== undefined)).toEqual(['DELIVERY_REJECTED']);
  });
});
