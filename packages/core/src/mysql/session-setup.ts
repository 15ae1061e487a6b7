import type { PoolConnection } from 'mysql2';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Session, SessionFacts } from './connection.ts';

const modes = [
  'STRICT_ALL_TABLES',
  'STRICT_TRANS_TABLES',
  'NO_ZERO_IN_DATE',
  'NO_ZERO_DATE',
  'ERROR_FOR_DIVISION_BY_ZERO',
  'NO_ENGINE_SUBSTITUTION',
  'ONLY_FULL_GROUP_BY',
];

/** What is wrong with a server is no fault of what waits to be stored there: it may have been set up otherwise, or have taken over, a moment ago. */
function refuse(where: string, what: string, reason: string): never {
  throw new PaystreamError('UNAVAILABLE', `MySQL at ${where} ${what}`, { reason, details: { database: where } });
}

/**
 * Throws `UNAVAILABLE` / `MYSQL_TOO_OLD` for a server that lacks what statements and tables need: `SKIP LOCKED`, and
 * since 8.0.17 the collation that tells `a` from `A`. Without it tables would be made all the same, and keys would be one that
 * are two. TiDB says that it is MySQL 8.0.11, and is refused as `MYSQL_NOT_SUPPORTED`.
 */
function checkVersion(version: string, where: string): void {
  if (/tidb/i.test(version)) {
    refuse(
      where,
      `is TiDB (${version}), which does not compare keys as they need to be: use MySQL itself, or MariaDB`,
      'MYSQL_NOT_SUPPORTED',
    );
  }
  const mariadb = /mariadb/i.test(version);
  // Behind some proxies MariaDB calls itself 5.5.5-10.11.6-MariaDB.
  const numbers = (/^(\d+)\.(\d+)(?:\.(\d+))?/.exec(version.replace(/^5\.5\.5-/, '')) ?? []).slice(1).map((part) => Number(part ?? 0));
  const [major = 0, minor = 0, patch = 0] = numbers;
  const [needMajor, needMinor, needPatch] = mariadb ? [10, 6, 0] : [8, 0, 17];
  const differing = [major - needMajor, minor - needMinor, patch - needPatch].find((difference) => difference !== 0) ?? 0;
  if (differing >= 0) return;
  refuse(where, `is ${version}: MySQL 8.0.17 or MariaDB 10.6 is the oldest that serves`, 'MYSQL_TOO_OLD');
}

interface Server {
  readonly version: string;
  readonly packet: number;
  readonly mode: string;
  /** What statements are written in. */
  readonly charset: string;
  /** What texts in them are turned into. */
  readonly literals: string;
  readonly autocommit: number;
}

const server = `SELECT VERSION() AS version, @@max_allowed_packet AS packet, @@SESSION.sql_mode AS mode,
  @@SESSION.character_set_client AS charset, @@SESSION.character_set_connection AS literals, @@SESSION.autocommit AS autocommit`;

async function ask(session: Session, where: string): Promise<Server> {
  const { rows } = await session.run(server, server);
  const [found] = rows as unknown as readonly Server[];
  if (found === undefined) throw new PaystreamError('INTERNAL', `MySQL at ${where} does not say what it is`, { reason: 'UNEXPECTED' });
  checkVersion(found.version, where);
  return found;
}

/** In some character sets the backslash before a quote is half a character: a value could end its text and go on as SQL. */
function checkCharset({ charset, literals }: Server, where: string, what: (charset: string) => string): void {
  for (const one of [charset, literals]) if (one !== 'utf8mb4') refuse(where, what(one), 'MYSQL_WRONG_CHARSET');
}

/**
 * How long the server keeps a connection over which nothing comes, in seconds: what a client had locked whose machine vanished
 * is locked until then, since nobody tells the server. Longer than a connection lies idle here before it is replaced.
 */
const idleSeconds = 60;
/** The same within a transaction, where MariaDB can tell: nothing is awaited there but the transaction. */
const idleInTransactionSeconds = 30;

/**
 * Sets up a connection of ours. `READ COMMITTED`: what must not happen twice is decided by unique keys and by changes that
 * name the version that they expect, never by what was read before; so a snapshot would bring nothing but gaps that are
 * locked, and with them most deadlocks. The session's time zone is UTC for statements that users write.
 */
export async function prepareOwnSession(session: Session, where: string, lockTimeoutMs: number): Promise<SessionFacts> {
  const set = (text: string): Promise<unknown> => session.run(text, text);
  // The handshake has asked for it, but settings of the server may ignore that, or change it again.
  await set('SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci');
  const found = await ask(session, where);
  checkCharset(found, where, (charset) => `keeps the charset ${charset} though it was told to speak utf8mb4`);
  await set('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  // MariaDB makes a subquery of a long list, which it runs once for each row that it deletes.
  await set(
    `SET SESSION sql_mode = '${modes.join(',')}', time_zone = '+00:00', autocommit = 1, wait_timeout = ${idleSeconds},
      innodb_lock_wait_timeout = ${Math.max(1, Math.ceil(lockTimeoutMs / 1_000))}
      /*M!100318 , in_predicate_conversion_threshold = 0, idle_transaction_timeout = ${idleInTransactionSeconds} */`,
  );
  // Room for what goes ahead of a statement.
  return { foreignIsolation: false, maxStatementBytes: found.packet - 128 };
}

/** Checks a connection that is not ours, and leaves it as it is: its owner relies on it. */
export async function checkForeignSession(session: Session, connection: PoolConnection, where: string): Promise<SessionFacts> {
  const found = await ask(session, where);
  const { packet, mode, autocommit } = found;
  const advice = (what: string): string => `is used by a pool ${what}`;
  if (!/STRICT_(?:TRANS|ALL)_TABLES/.test(mode)) {
    refuse(where, advice('whose sql_mode is not strict: values would be cut off unseen; add STRICT_TRANS_TABLES'), 'MYSQL_NOT_STRICT');
  }
  if (mode.includes('NO_BACKSLASH_ESCAPES')) {
    refuse(where, advice('whose sql_mode has NO_BACKSLASH_ESCAPES: leave it out'), 'MYSQL_UNSAFE_MODE');
  }
  checkCharset(found, where, (charset) => advice(`whose charset is ${charset}: set charset to utf8mb4, and on the server too`));
  if (autocommit !== 1) refuse(where, advice('whose autocommit is off: switch it on'), 'MYSQL_NO_AUTOCOMMIT');
  const { clientFlags = 0 } = connection.config as { readonly clientFlags?: number };
  const foundRows = 2;
  if ((clientFlags & foundRows) === 0) {
    refuse(where, advice('without the flag FOUND_ROWS, which mysql2 sets by default: leave it on'), 'MYSQL_NO_FOUND_ROWS');
  }
  return { foreignIsolation: true, maxStatementBytes: packet };
}
