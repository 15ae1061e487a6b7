import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createProducer, defineTopic, json, systemClock } from '@paystream/core';
import { DeliveryState } from '@paystream/core/contracts';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import { createMysqlDatabase } from '@paystream/core/mysql';
import type { Database } from '@paystream/core/sql';
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import type { Channel } from '../channel/port.ts';
import { defineTemplate } from '../template/template.ts';
import { createNotifier } from './notifier.ts';

let url: string;
let prefixes = 0;

/** Asks for the server of this file. */
async function server(action: 'start' | 'kill' | 'restart'): Promise<{ readonly url: string }> {
  const answer = await fetch(`${inject('sqlServers')}/mortal-notifiers/${action}`);
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as { readonly url: string };
}

beforeAll(async () => {
  ({ url } = await server('start'));
});

const events = defineTopic({ name: 'events', codec: json(z.object({ n: z.number() })) });
const rulesOf = (onUnknown: 'at-most-once' | 'at-least-once') =>
  [
    {
      on: events,
      to: () => ({ addresses: { email: 'a@example.org' } }),
      templates: { email: defineTemplate((event: { n: number }) => ({ text: String(event.n) }), { onUnknown }) },
    },
  ] as const;

/** A receiver that all instances send to; it counts what comes. */
function receiver(idempotent: boolean): { readonly came: Map<string, number>; channel(): Channel } {
  const came = new Map<string, number>();
  return {
    came,
    channel: () => ({
      name: 'email',
      capabilities: { idempotent },
      deliver: async ({ deliveryId }) => {
        came.set(deliveryId, (came.get(deliveryId) ?? 0) + 1);
        return { outcome: 'delivered' };
      },
    }),
  };
}

function openDatabase(tablePrefix: string): Database {
  const database = createMysqlDatabase({ url, tablePrefix, poolSize: 5 });
  onTestFinished(() => database.close());
  return database;
}

async function delivered(database: Database): Promise<number> {
  const [row] = await database
    .query<{ readonly n: number | null }>(
      `SELECT SUM(deliveries) AS n FROM ${database.tables('notify_counts')} WHERE state = ${DeliveryState.DELIVERED}`,
    )
    .catch(() => []);
  return row?.n ?? 0;
}

async function until(what: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<number> {
  const begin = systemClock.monotonic();
  for (; !(await what()); await systemClock.sleep(20)) {
    if (systemClock.monotonic() > begin + timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
  }
  return systemClock.monotonic() - begin;
}

/** What runs in a process of its own until it is killed: it takes deliveries on and never ends one. */
const script = (tablePrefix: string): string => `
  import { createProducer, defineTopic, json } from '@paystream/core';
  import { createEmbeddedBroker } from '@paystream/core/embedded';
  import { createMysqlDatabase } from '@paystream/core/mysql';
  import { createNotifier, defineTemplate } from '@paystream/notify';
  import { z } from 'zod';
  const broker = await createEmbeddedBroker();
  const database = createMysqlDatabase({ url: ${JSON.stringify(url)}, tablePrefix: '${tablePrefix}' });
  const events = defineTopic({ name: 'events', codec: json(z.object({ n: z.number() })) });
  let begun = 0;
  const email = { name: 'email', capabilities: { idempotent: true }, deliver: () => { begun += 1; if (begun === 8) console.log('sending'); return new Promise(() => undefined); } };
  await createNotifier({ database, broker, channels: { email },
    rules: [{ on: events, to: () => ({ addresses: { email: 'a@example.org' } }), templates: { email: defineTemplate((event) => ({ text: String(event.n) })) } }] });
  const producer = await createProducer(broker, events);
  for (let n = 0; n < 50; n += 1) await producer.send({ n }, { eventId: 'event-' + n });
  setInterval(() => {}, 1000);
`;

describe('several notifiers on MySQL', () => {
  it.each(['at-most-once', 'at-least-once'] as const)(
    'send each delivery once (%s), while the database is killed and comes back',
    async (onUnknown) => {
      const prefix = `t${++prefixes}_`;
      const { came, channel } = receiver(onUnknown === 'at-least-once');
      const broker = await createEmbeddedBroker();
      const databases = [openDatabase(prefix), openDatabase(prefix)];
      const start = (database: Database, index: number) =>
        createNotifier({ database, broker, channels: { email: channel() }, rules: rulesOf(onUnknown), instance: `notifier-${index}` });
      const notifiers = await Promise.all(databases.map(start));
      const producer = await createProducer(broker, events);
      const send = (from: number, to: number): Promise<unknown> =>
        Promise.all(Array.from({ length: to - from }, (_, i) => producer.send({ n: from + i }, { eventId: `event-${from + i}` })));
      const count = 1_200;
      const [database] = databases as [Database, Database];
      await send(0, 600);
      await until(() => came.size > 100);
      await server('kill');
      await Promise.all([send(600, count), send(300, 800)]);
      await server('restart');
      await until(async () => (await delivered(database)) >= count - (onUnknown === 'at-most-once' ? 100 : 0) && came.size === count);
      await Promise.all(notifiers.map((notifier) => until(() => notifier.channels.every(({ inMemory }) => inMemory === 0))));
      if (onUnknown === 'at-most-once') expect([...came.values()].filter((times) => times > 1)).toEqual([]);
      const states = await database.query<{ readonly state: number; readonly n: number }>(
        `SELECT state, COUNT(*) AS n FROM ${database.tables('notify_deliveries')} GROUP BY state`,
      );
      const counts = await database.query<{ readonly state: number; readonly n: number }>(
        `SELECT state, SUM(deliveries) AS n FROM ${database.tables('notify_counts')} GROUP BY state ORDER BY state`,
      );
      expect(counts).toEqual([...states].sort((a, b) => a.state - b.state));
      expect(states.reduce((sum, { n }) => sum + n, 0)).toBe(count);
      await Promise.all(notifiers.map((notifier) => notifier.close()));
      await broker.close();
    },
  );

  it('take over what a killed one had taken on within ten seconds', async () => {
    const prefix = `t${++prefixes}_`;
    const database = openDatabase(prefix);
    const broker = await createEmbeddedBroker();
    const { came, channel } = receiver(true);
    const survivor = await createNotifier({ database, broker, channels: { email: channel() }, rules: rulesOf('at-least-once') });
    const child = spawn(process.execPath, ['--conditions=paystream-source', '--input-type=module', '-e', script(prefix)], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const chunk of child.stdout) if (String(chunk).includes('sending')) break;
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    const [stored] = await database.query<{ readonly n: number }>(`SELECT COUNT(*) AS n FROM ${database.tables('notify_deliveries')}`);
    expect(await until(async () => (await delivered(database)) === stored?.n)).toBeLessThan(10_000);
    expect(came.size).toBe(stored?.n);
    await survivor.close();
    await broker.close();
  });
});
