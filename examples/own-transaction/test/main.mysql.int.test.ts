import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { runExample } from '../../../tools/example.ts';
import { emptyDatabase } from '../../../tools/mysql/empty-database.ts';

const [, told] = /```text\n(.*?)```/s.exec(readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8')) ?? [];
let url: string;
beforeAll(async () => {
  url = await emptyDatabase();
});

it.each(['kysely', 'mysql2', 'drizzle', 'prisma'])('%s runs by itself, prints what the README says, and ends', async (folder) => {
  const { code, output } = await runExample(`own-transaction/${folder}`, { PAYSTREAM_MYSQL_URL: url });
  expect(code, output).toBe(0);
  expect(output).toBe(told);
});
