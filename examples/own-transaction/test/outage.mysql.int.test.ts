import { setTimeout as sleep } from 'node:timers/promises';
import { createConsumer, createProducer } from '@paystream/core';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import { mysqlErrorOf } from '@paystream/core/mysql';
import { createPool, type RowDataPacket } from 'mysql2/promise';
import { beforeAll, expect, inject, it, vi } from 'vitest';
import { createSignUpService as drizzle } from '../drizzle/service.ts';
import { createSignUpService as kysely } from '../kysely/service.ts';
import { createSignUpService as mysql2 } from '../mysql2/service.ts';
import { createSignUpService as prisma } from '../prisma/service.ts';
import { createTables, type SignUpOptions, type SignUpService, signUps } from '../sign-ups.ts';

const people = 50;

async function ask(action: 'start' | 'kill' | 'restart'): Promise<{ readonly url: string }> {
  const answer = await fetch(`${inject('sqlServers')}/mortal-signups/${action}`);
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as { readonly url: string };
}

let url: string;
beforeAll(async () => {
  url = (await ask('start')).url;
  await createTables(url);
});

/** How many mails somebody has: at least and at most. */
async function mails(prefix: string): Promise<{ readonly people: number; readonly most: number }> {
  const pool = createPool(url);
  const [rows] = await pool.query<RowDataPacket[]>(
    'SELECT count(*) AS people, coalesce(max(n), 0) AS most FROM (SELECT count(*) AS n FROM mails WHERE user_id LIKE ? GROUP BY user_id) AS each_of_them',
    [`${prefix}-%`],
  );
  await pool.end();
  return { people: Number(rows[0]?.['people']), most: Number(rows[0]?.['most']) };
}

it.each([
  ['kysely', kysely],
  ['mysql2', mysql2],
  ['drizzle', drizzle],
  ['prisma', prisma],
] as const)(
  'a handler with a transaction of %s waits for a database that is killed, gives nothing up and does nothing twice',
  async (example, create: (options: SignUpOptions) => Promise<SignUpService>) => {
    const broker = await createEmbeddedBroker();
    const service = await create({ url, broker });
    const consumer = await createConsumer(broker, signUps, {
      subscription: 'welcome-mail',
      errorOf: mysqlErrorOf,
      handler: async (user, { delivery }) => void (await service.welcome(delivery.eventId, user)),
    });
    const producer = await createProducer(broker, signUps);
    const send = (from: number, to: number): Promise<unknown> =>
      Promise.all(
        Array.from({ length: to - from }, (_, n) => producer.send({ userId: `${example}-${from + n}`, email: `${from + n}@example.org` })),
      );
    await send(0, people / 2);
    await vi.waitFor(async () => expect((await mails(example)).people).toBeGreaterThan(0), { timeout: 10_000, interval: 5 });
    await ask('kill');
    await send(people / 2, people);
    await vi.waitFor(() => expect(consumer.status.state).toBe('paused'), { timeout: 30_000 });
    // Five attempts take no longer than that.
    await sleep(3_000);
    await ask('restart');
    await vi.waitFor(async () => expect(await mails(example)).toEqual({ people, most: 1 }), { timeout: 30_000, interval: 50 });
    await vi.waitFor(() => expect(consumer.status.inFlight).toBe(0), { timeout: 10_000 });
    await consumer.close();
    const letters = await broker.subscribe({
      topic: 'sign-ups-welcome-mail-dlq',
      subscription: 'letters',
      type: 'shared',
      initialPosition: 'earliest',
    });
    expect(await letters.backlog()).toBe(0);
    await producer.close();
    await service.close();
    await broker.close();
  },
);
