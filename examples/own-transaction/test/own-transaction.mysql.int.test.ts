import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Broker, type Consumer, createConsumer } from '@paystream/core';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import { createPool, type Pool, type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { emptyDatabase } from '../../../tools/mysql/empty-database.ts';
import { createSignUpService as drizzle } from '../drizzle/service.ts';
import { createSignUpService as kysely } from '../kysely/service.ts';
import { createSignUpService as mysql2 } from '../mysql2/service.ts';
import { createSignUpService as prisma } from '../prisma/service.ts';
import { createTables, type SignUp, type SignUpOptions, type SignUpService, signUps } from '../sign-ups.ts';

let url: string;
let pool: Pool;

beforeAll(async () => {
  url = await emptyDatabase();
  pool = createPool(url);
  await createTables(url);
});
afterAll(() => pool.end());

async function count(table: string, userId: string): Promise<number> {
  const [rows] = await pool.query<RowDataPacket[]>(`SELECT count(*) AS n FROM ${table} WHERE user_id = ?`, [userId]);
  return Number(rows[0]?.['n']);
}

interface Heard {
  readonly users: string[];
  readonly at: number[];
  readonly consumer: Consumer;
}

async function listen(broker: Broker): Promise<Heard> {
  const users: string[] = [];
  const at: number[] = [];
  const consumer = await createConsumer(broker, signUps, {
    subscription: 'test',
    initialPosition: 'earliest',
    handler: async (user) => {
      users.push(user.userId);
      at.push(performance.now());
    },
  });
  return { users, at, consumer };
}

const user = (userId: string): SignUp => ({ userId, email: `${userId}@example.org` });
const soon = { timeout: 30_000, interval: 2 };

describe.each([
  ['kysely', kysely],
  ['mysql2', mysql2],
  ['drizzle', drizzle],
  ['prisma', prisma],
] as const)('an event in a transaction of %s', (example, create: (options: SignUpOptions) => Promise<SignUpService>) => {
  let world: { readonly broker: Broker; readonly heard: Heard; open(options?: Partial<SignUpOptions>): Promise<SignUpService> };

  beforeEach(async () => {
    const broker = await createEmbeddedBroker();
    const heard = await listen(broker);
    const services: SignUpService[] = [];
    world = {
      broker,
      heard,
      open: async (options) => {
        const service = await create({ url, broker, ...options });
        services.push(service);
        return service;
      },
    };
    return async () => {
      for (const service of services) await service.close();
      await heard.consumer.close();
      await broker.close();
    };
  });

  it('is published once after the commit, and never after a rollback', async () => {
    const service = await world.open();
    const refused = service.signUp(user(`${example}-refused`), () => {
      throw new Error('changed my mind');
    });
    await expect(refused).rejects.toThrow('changed my mind');
    await service.signUp(user(`${example}-1`));
    await vi.waitFor(() => expect(world.heard.users).toEqual([`${example}-1`]), soon);
    expect(await count('users', `${example}-1`)).toBe(1);
    expect(await count('users', `${example}-refused`)).toBe(0);
    const [rows] = await pool.query<RowDataPacket[]>('SELECT added_at FROM paystream_outbox');
    expect(rows.length).toBeLessThanOrEqual(1);
    expect(world.heard.users).toEqual([`${example}-1`]);
  });

  it('is found soon when nobody says that it was committed', async () => {
    const service = await world.open({ tell: false });
    await service.signUp(user(`${example}-warm`));
    await vi.waitFor(() => expect(world.heard.users).toHaveLength(1), soon);
    const waits: number[] = [];
    for (let n = 0; n < 20; n++) {
      await service.signUp(user(`${example}-untold-${n}`));
      const committedAt = performance.now();
      await vi.waitFor(() => expect(world.heard.at).toHaveLength(n + 2), soon);
      waits.push(world.heard.at[n + 1]! - committedAt);
    }
    waits.sort((a, b) => a - b);
    console.log(`${example}: found ${waits[10]!.toFixed(1)} ms after the commit (median), ${waits[19]!.toFixed(1)} at most`);
    // Half a lease, 5 s, is what a sweep would take.
    expect(waits[10]!).toBeLessThan(1_000);
  });

  it('has its effect once, however often and at once it is delivered', async () => {
    const service = await world.open();
    const { userId, email } = user(`${example}-welcome`);
    const answers = await Promise.all([1, 2, 3].map(() => service.welcome(`${example}-event`, { userId, email })));
    answers.push(await service.welcome(`${example}-event`, { userId, email }));
    expect(answers.filter(Boolean)).toHaveLength(1);
    expect(await count('mails', userId)).toBe(1);
  });

  it('is published by another process if its own dies right after the commit', async () => {
    const userId = `${example}-crash`;
    const fixture = fileURLToPath(new URL('crash.fixture.ts', import.meta.url));
    const child = spawn(process.execPath, ['--conditions=paystream-source', fixture, example, url, userId], { stdio: 'inherit' });
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(await count('users', userId)).toBe(1);
    await world.open({ leaseMs: 1_000 });
    await vi.waitFor(() => expect(world.heard.users).toEqual([userId]), soon);
  });
});
