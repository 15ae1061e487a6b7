import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEmbeddedBroker } from '../embedded/broker/broker.ts';
import { createSqliteDatabase } from '../embedded/database/sqlite-database.ts';
import { brokerPath, databasePath } from './crash.fixture.ts';
import { createOutbox } from './outbox.ts';
import { rowCount } from './test-support.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'paystream-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the fixture until it has told of so many orders, then kills it; gives the orders it told of. */
function placeUntilKilled(first: number, count: number): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const told: number[] = [];
    const child = fork(fileURLToPath(new URL('./crash.fixture.ts', import.meta.url)), [folder, String(first)], { execArgv: [] });
    child.on('message', (id) => {
      told.push(Number(id));
      if (told.length === count) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (signal === 'SIGKILL') resolve(told);
      else reject(new Error(`the fixture ended by itself with ${code}`));
    });
  });
}

describe('a process that is killed at any moment', () => {
  it('has published every order that it committed after the next start, and none that it rolled back', async () => {
    const told: number[] = [];
    for (const [round, count] of [23, 180, 401].entries()) told.push(...(await placeUntilKilled(1 + round * 1_000_000, count)));

    const database = await createSqliteDatabase({ path: databasePath(folder) });
    const broker = await createEmbeddedBroker({ path: brokerPath(folder) });
    const outbox = await createOutbox({ database, broker });
    await outbox.flush();
    const stored = (await database.query<{ readonly id: number }>('SELECT id FROM orders')).map((row) => row.id);
    const subscription = await broker.subscribe({ topic: 'orders', subscription: 'check', initialPosition: 'earliest' });
    const events = new Map<number, number>();
    for (let left = await subscription.backlog(); left > 0; ) {
      const messages = await subscription.receive(1_000);
      await subscription.acknowledge(messages);
      left -= messages.length;
      for (const message of messages) events.set(Number(Buffer.from(message.payload).toString()), Number(message.key));
    }
    expect(told.filter((id) => !stored.includes(id))).toEqual([]);
    expect([...events.keys()].sort((a, b) => a - b)).toEqual([...stored.map((id) => -id), ...stored].sort((a, b) => a - b));
    expect(stored.some((id) => id % 5 === 0)).toBe(false);
    expect(await rowCount(database)).toBe(0);
    await outbox.close();
    await broker.close();
    await database.close();
  }, 20_000);
});
