import { createPool, type RowDataPacket } from 'mysql2/promise';
import { expect, inject, it } from 'vitest';
import { readComposeFile } from './compose-file.ts';

it('the MySQL of docker-compose.yml is the version that the tests run on', async ({ skip }) => {
  const answer = await fetch(`${(inject as (key: string) => string)('sqlServers')}/default/start`);
  const pool = createPool(((await answer.json()) as { readonly url: string }).url);
  const [[row]] = await pool.query<RowDataPacket[]>('SELECT VERSION() AS version');
  await pool.end();
  const version: string = row?.['version'];
  if (version.includes('MariaDB')) skip('MariaDB');
  const [, tested] = /^(\d+\.\d+)\./.exec(version) ?? [];
  expect(readComposeFile().services['mysql']?.image).toBe(`mysql:${tested}`);
});
