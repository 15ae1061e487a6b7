import { join, resolve } from 'node:path';
import type { Clock, Logger } from '@paystream/core';
import { createIdGenerator, PaystreamError, type Random } from '@paystream/core';
import { type Database, defineStatements, type Transaction } from '@paystream/core/sql';
import { type CommittedMark, createCommittedMark, isBefore } from './committed-mark.ts';
import { type FilePosition, type LogFileOptions, openLogFile } from './log-file.ts';

/** Options of {@link openCommittedFile}. */
export interface CommittedFileOptions extends LogFileOptions {
  readonly database: Database;
  /** The sink's name: the key of its position. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Bytes on their way behind the committed end. */
export interface BytesAhead {
  /** Resolves when they are on the disk, or lost. */
  readonly settled: Promise<void>;
  /** Whether they cannot be committed any more: they, or others before them, were not written or are cut off. */
  readonly lost: boolean;
  /** Why they were not written; nothing if they were lost with others. */
  readonly failure: unknown;
}

/** A file that is exactly as long as the last committed transaction says, but for what is on its way. */
export interface CommittedFile {
  /** Makes sure that the file is what the database says; to be called before each transaction, when the one before is over. */
  ready(): Promise<void>;
  /** Whether `ahead` may be called: not before `ready` has put in order what is in doubt, and never where other processes use the database. */
  readonly takesAhead: boolean;
  /**
   * Begins to write bytes off the thread, behind all that was written before. They count for nothing until a transaction
   * commits them, and must stay as they are until they are settled.
   */
  ahead(bytes: Uint8Array): BytesAhead;
  /** Commits, inside a transaction, bytes that are on the disk: the first that are on their way. */
  commit(tx: Transaction, bytes: BytesAhead): Promise<void>;
  /** Appends inside a transaction, which waits for the disk; to be called when nothing is on its way. */
  append(tx: Transaction, bytes: Uint8Array): Promise<void>;
  /** Removes files that are too old to be kept; to be called when a transaction has committed. */
  tidy(): void;
  /** To be called when a transaction that was to append has failed, or may have: what is on its way is lost. */
  doubt(): void;
  /** The file that is written now. */
  readonly path: string;
  /** Waits for what is on its way. */
  close(): Promise<void>;
}

const statements = defineStatements(({ tables, dialect }) => ({
  claim: dialect.upsert(
    tables('log_files'),
    ['instance', 'owner', 'sequence', 'size'],
    ['instance'],
    (excluded) => `owner = ${excluded('owner')}`,
  ),
  hold: `UPDATE ${tables('log_files')} SET owner = ? WHERE instance = ? AND owner = ?`,
  position: `SELECT owner, sequence, size FROM ${tables('log_files')} WHERE instance = ?`,
  advance: `UPDATE ${tables('log_files')} SET sequence = ?, size = ? WHERE instance = ? AND owner = ?`,
}));

interface PositionRow extends FilePosition {
  readonly owner: string;
}

function taken(instance: string): PaystreamError {
  return new PaystreamError(
    'UNAVAILABLE',
    `another log sink named "${instance}" has taken over this one's file. Give each running sink its own "instance" name`,
    { reason: 'LOG_FILE_TAKEN', details: { instance } },
  );
}

function outOfOrder(): PaystreamError {
  return new PaystreamError('INTERNAL', 'lines of the log file were to be committed out of order', { reason: 'LOG_FILE_ORDER' });
}

const onlyShorter = 'log file is shorter than what was written to it; a new one is begun';
const behind =
  'the database knows less of the log files than was committed to them, as when it was restored from a backup; all of them are kept until a new one is full';
const unknown = 'the database knows nothing of the log files that are there; all of them are kept until a new one is full';

/** How many files there may be with bytes that no commit tells of: one for each batch that a store has on its way at once. */
const filesAhead = 2;

interface Ahead extends BytesAhead {
  readonly from: FilePosition;
  readonly end: FilePosition;
  lost: boolean;
  failure: unknown;
  settled: Promise<void>;
}

/** The owners in this process, by where their files are. Each gives its file up when called: it begins no write any more, and resolves when none is under way. */
const owners = new Map<string, () => Promise<void>>();

/**
 * Opens a file whose position is committed with the rows that it tells of. The newest opener of an instance name owns the
 * file. An older one cannot commit, because the position moves only for the owner, and whatever changes the file does so
 * while the owner's row is held. Only what is written ahead is not: that is done with a database of this process alone,
 * where a newer owner waits for what the older has under way before it cuts that off.
 *
 * What lies behind the committed end was never committed and is cut off, unless the mark beside the files says that it was:
 * then the database has forgotten it, all files are kept as they are, and a new one is begun.
 */
export async function openCommittedFile(options: CommittedFileOptions): Promise<CommittedFile> {
  const { database, instance, logger } = options;
  const file = openLogFile(options);
  const sql = statements(database);
  const owner = createIdGenerator(options.clock, options.random)();
  /** What is committed; unknown while in doubt. */
  let position: FilePosition | undefined;
  /** Where what comes next is to be written; unknown when what is behind the committed end is. */
  let end: FilePosition | undefined;
  const onTheirWay: Ahead[] = [];
  let lastWrite: Promise<void> = Promise.resolve();
  let lastSync: Promise<void> = Promise.resolve();
  let path = '';
  let tidied: number | undefined;
  let givenUp = false;
  let mark: CommittedMark | undefined;

  const restore = (): Promise<FilePosition> =>
    database.transaction(async (tx) => {
      await tx.execute(sql.hold, [owner, instance, owner]);
      const { rows } = await tx.execute<PositionRow>(sql.position, [instance]);
      const [row] = rows;
      if (row === undefined || row.owner !== owner) throw taken(instance);
      const committed = { sequence: Number(row.sequence), size: Number(row.size) };
      const knowsLess = mark !== undefined && isBefore(committed, mark.position);
      const restored = knowsLess ? file.beginBehind(committed) : file.restore(committed);
      if (restored.sequence !== committed.sequence || restored.size !== committed.size) {
        logger.warn({ file: file.path(committed), expectedBytes: committed.size }, knowsLess ? behind : onlyShorter);
        await tx.execute(sql.advance, [restored.sequence, restored.size, instance, owner]);
      }
      return restored;
    });

  /** From these bytes on nothing will be committed. */
  const lose = (first: Ahead): void => {
    const index = onTheirWay.indexOf(first);
    if (index < 0) return;
    for (const ahead of onTheirWay.splice(index)) ahead.lost = true;
    end = undefined;
  };

  const doubt = (): void => {
    for (const ahead of onTheirWay.splice(0)) ahead.lost = true;
    position = undefined;
    end = undefined;
  };

  const ready = async (): Promise<void> => {
    if (end !== undefined) return;
    // Bytes that are lost may still be on their way.
    await Promise.all([lastWrite, lastSync]);
    await file.close();
    const restored = await restore();
    if (givenUp) throw taken(instance);
    mark?.set(restored);
    position = restored;
    end = restored;
    path = file.path(restored);
  };

  const ahead = (bytes: Uint8Array): BytesAhead => {
    if (end === undefined || !database.exclusive) throw outOfOrder();
    const from = end;
    const begun: Ahead = { from, end: file.after(from, bytes.length), lost: false, failure: undefined, settled: lastSync };
    end = begun.end;
    onTheirWay.push(begun);
    const unlessLost = async (work: () => Promise<void>): Promise<void> => {
      if (begun.lost) return;
      try {
        await work();
      } catch (error) {
        begun.failure = error;
        lose(begun);
      }
    };
    const before = begun.end.sequence === from.sequence ? lastWrite : Promise.all([lastWrite, lastSync]);
    lastWrite = before.then(() => unlessLost(() => file.write(bytes, begun.end)));
    lastSync = Promise.all([lastWrite, lastSync]).then(() => unlessLost(file.sync));
    begun.settled = lastSync;
    return begun;
  };

  const advance = async (tx: Transaction, to: FilePosition): Promise<void> => {
    const { affected } = await tx.execute(sql.advance, [to.sequence, to.size, instance, owner]);
    if (affected !== 1) throw taken(instance);
    tx.onCommit(() => {
      position = to;
      mark?.set(to);
      path = file.path(to);
    });
  };

  const commit = async (tx: Transaction, bytes: BytesAhead): Promise<void> => {
    if (givenUp) throw taken(instance);
    const [first] = onTheirWay;
    if (first === undefined || first !== bytes || first.from !== position) throw outOfOrder();
    await advance(tx, first.end);
    tx.onCommit(() => void onTheirWay.shift());
  };

  const append = async (tx: Transaction, bytes: Uint8Array): Promise<void> => {
    if (givenUp) throw taken(instance);
    if (position === undefined || end !== position) throw outOfOrder();
    const to = file.after(position, bytes.length);
    await advance(tx, to);
    // SQLite takes no other transaction meanwhile, so there nothing may be awaited but the transaction.
    if (database.dialect.name === 'sqlite') file.append(bytes, to);
    else await file.appendAndSync(bytes, to);
    tx.onCommit(() => {
      end = to;
    });
  };

  const tidy = (): void => {
    if (position === undefined || position.sequence === tidied) return;
    try {
      file.prune(position);
      tidied = position.sequence;
    } catch (error) {
      logger.warn({ err: error }, 'old log files could not be removed');
    }
  };

  const place = resolve(options.directory, options.name);
  const older = owners.get(place);
  const giveUp = async (): Promise<void> => {
    givenUp = true;
    doubt();
    await Promise.all([lastWrite, lastSync, mark?.close(), older?.()]);
  };
  const leave = (): void => {
    if (owners.get(place) === giveUp) owners.delete(place);
  };
  owners.set(place, giveUp);
  try {
    // Committed before the file is touched: an older owner can then commit no more what is cut off here.
    const last = file.last();
    const isNew = await database.transaction(async (tx) => {
      const { rows } = await tx.execute(sql.position, [instance]);
      await tx.execute(sql.claim, [instance, owner, last + 1, 0]);
      return rows.length === 0;
    });
    if (isNew && last > 0) logger.warn({ file: file.path({ sequence: last, size: 0 }) }, unknown);
    await older?.();
    const otherwise = { sequence: Math.max(0, file.last() - filesAhead), size: 0 };
    mark = createCommittedMark({ path: join(options.directory, `.${options.name}.committed`), otherwise, clock: options.clock, logger });
    await ready();
    // Old files go when a new one is begun, not at a start: they may be all that is left of what the database has forgotten.
    tidied = position?.sequence;
  } catch (error) {
    leave();
    if (older !== undefined && !owners.has(place)) owners.set(place, older);
    throw error;
  }
  return {
    ready,
    get takesAhead() {
      return end !== undefined && database.exclusive;
    },
    ahead,
    commit,
    append,
    tidy,
    doubt,
    get path() {
      return path;
    },
    close: async () => {
      await Promise.all([lastWrite, lastSync]);
      await Promise.all([file.close(), mark?.close()]);
      leave();
    },
  };
}
