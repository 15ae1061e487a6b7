import { expect, it } from 'vitest';
import type { SqlRow } from '../sql/port.ts';
import type { Session } from './connection.ts';
import { prepareOwnSession } from './session-setup.ts';

const server = { version: '8.4.2', packet: 1e6, mode: '', charset: 'utf8mb4', literals: 'utf8mb4', autocommit: 1 };

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
