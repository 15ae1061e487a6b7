import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPool } from 'mysql2/promise';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { runExample } from '../../../tools/example.ts';

declare module 'vitest' {
  interface ProvidedContext {
    sqlServers: string;
  }
}

const [, told] = /```text\n(.*?)```/s.exec(readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8')) ?? [];
const name = `own_main_${process.pid}_${Date.now()}`;
let server: URL;

async function onServer(statement: string): Promise<void> {
  const pool = createPool(server.href);
  await pool.query(statement);
  await pool.end();
}

beforeAll(async () => {
  const answer = await fetch(`${inject('sqlServers')}/default/start`);
  server = new URL(((await answer.json()) as { readonly url: string }).url);
  await onServer(`CREATE DATABASE ${name}`);
});
afterAll(() => onServer(`DROP DATABASE ${name}`));

it.each(['kysely', 'mysql2', 'drizzle', 'prisma'])('%s runs by itself, prints what the README says, and ends', async (folder) => {
  const { code, output } = await runExample(`own-transaction/${folder}`, { PAYSTREAM_MYSQL_URL: new URL(`/${name}`, server).href });
  expect(code, output).toBe(0);
  expect(output).toBe(told);
});
