import type { PoolConnection } from 'mysql2';
import { describe, expect, it } from 'vitest';
import type { SqlRow } from '../sql/port.ts';
import type { Session } from './connection.ts';
import { checkForeignSession, prepareOwnSession } from './session-setup.ts';

const server = { version: '8.4.2', packet: 1e6, mode: 'STRICT_TRANS_TABLES', charset: 'utf8mb4', literals: 'utf8mb4', autocommit: 1 };

/** A session on a server that says so of itself, whatever it is told. */
function session(found: SqlRow, sent: string[] = []): Session {
  return {
    run: async (text: string) => {
      sent.push(text);
      return { rows: [found], affected: 0, warnings: 0 };
    },
  } as unknown as Session;
}

it.each([{ charset: 'gbk' }, { literals: 'latin1' }])(
  'a server, or a proxy before it, that keeps another character set gets no value: %o',
  async (kept) => {
    const sent: string[] = [];
    const refused = prepareOwnSession(session({ ...server, ...kept }, sent), 'here', 5_000);
    await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'MYSQL_WRONG_CHARSET' });
    expect(sent[0]).toBe('SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci');
    await prepareOwnSession(session(server), 'here', 5_000);
  },
);

const withFoundRows = { config: { clientFlags: 2 } } as unknown as PoolConnection;

describe.each([
  ['of ours', (version: string) => prepareOwnSession(session({ ...server, version }), 'here', 5_000)],
  ['of a pool that others made', (version: string) => checkForeignSession(session({ ...server, version }), withFoundRows, 'here')],
])('a connection %s', (_, meet) => {
  it.each(['5.7.44-log', '8.0.11', '8.0.16-log', '10.5.23-MariaDB', '5.5.5-10.4.1-MariaDB'])(
    'to %s is refused as that of a server too old, before a syntax error comes of it',
    async (version) => {
      await expect(meet(version)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        reason: 'MYSQL_TOO_OLD',
        message: `MySQL at here is ${version}: MySQL 8.0.17 or MariaDB 10.6 is the oldest that serves`,
      });
    },
  );

  it.each(['8.0.11-TiDB-v7.5.0', '8.0.36-TiDB-v8.5.1'])(
    'to %s is refused by its name, not for a version that it does not have',
    async (version) => {
      await expect(meet(version)).rejects.toMatchObject({
        reason: 'MYSQL_NOT_SUPPORTED',
        message: expect.stringMatching(/TiDB.*MySQL itself/),
      });
    },
  );

  it.each([
    '8.0.17',
    '8.0.36',
    '8.0.36-28',
    '8.4.2',
    '9.1.0',
    '10.6.18-MariaDB',
    '11.4.5-MariaDB',
    '5.5.5-10.11.6-MariaDB-1:10.11.6+maria~deb12',
  ])('to %s serves', async (version) => {
    await meet(version);
  });
});
