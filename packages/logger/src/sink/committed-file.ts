import type { Clock, Logger } from '@paystream/core';
import { createIdGenerator, PaystreamError, type Random } from '@paystream/core';
import { type Database, defineStatements, type Transaction } from '@paystream/core/sql';
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

/** A file that is exactly as long as the last committed transaction says. */
export interface CommittedFile {
  /** Makes sure that the file is what the database says; to be called before each transaction. */
  ready(): Promise<void>;
  /** Appends inside a transaction: stays if it commits, is cut off if it does not. */
  append(tx: Transaction, bytes: Uint8Array): Promise<void>;
  /** Removes files that are too old to be kept; to be called when a transaction has committed. */
  tidy(): void;
  /** To be called when a transaction that appended has failed, or may have. */
  doubt(): void;
  /** The file that is written now. */
  readonly path: string;
  close(): void;
}

const statements = defineStatements(({ tables, dialect }) => ({
  claim: dialect.upsert(
    tables('log_files'),
    ['instance', 'owner', 'sequence', 'size'],
    ['instance'],
    (excluded) => `owner = ${excluded('owner')}`,
  ),
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

/**
 * Opens a file whose position is committed with the rows that it tells of. The newest opener of an instance name owns the
 * file: an older one can neither commit nor leave bytes behind, because the position moves only for the owner.
 */
export async function openCommittedFile(options: CommittedFileOptions): Promise<CommittedFile> {
  const { database, instance, logger } = options;
  const file = openLogFile(options);
  const sql = statements(database);
  const owner = createIdGenerator(options.clock, options.random)();
  let position: FilePosition | undefined;
  let path = '';
  let tidied: number | undefined;

  await database.transaction(async (tx) => {
    await tx.execute(sql.claim, [instance, owner, 1, 0]);
  });

  const restore = async (): Promise<FilePosition> => {
    const [row] = await database.query<PositionRow>(sql.position, [instance]);
    if (row === undefined || row.owner !== owner) throw taken(instance);
    const committed = { sequence: Number(row.sequence), size: Number(row.size) };
    const restored = file.restore(committed);
    if (restored.sequence !== committed.sequence) {
      logger.warn(
        { file: file.path(committed), expectedBytes: committed.size },
        'log file is shorter than what was written to it; a new one is begun',
      );
    }
    return restored;
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

  const ready = async (): Promise<void> => {
    position ??= await restore();
    path = file.path(position);
  };

  const append = async (tx: Transaction, bytes: Uint8Array): Promise<void> => {
    if (position === undefined) throw taken(instance);
    const before = position;
    const end = file.after(before, bytes.length);
    const { affected } = await tx.execute(sql.advance, [end.sequence, end.size, instance, owner]);
    if (affected !== 1) throw taken(instance);
    file.write(bytes, end);
    tx.onCommit(() => {
      position = end;
      path = file.path(end);
    });
  };

  await ready();
  tidy();
  return {
    ready,
    append,
    tidy,
    doubt: () => {
      position = undefined;
    },
    get path() {
      return path;
    },
    close: file.close,
  };
}
