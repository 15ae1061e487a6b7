import { DatabaseSync } from 'node:sqlite';
import { PaystreamError } from '../../errors/paystream-error.ts';
import { sqliteError } from './sqlite-errors.ts';

/** A lock that is held. */
export interface FileLock {
  release(): void;
}

// A connection that nothing refers to is closed by the garbage collector, and its lock with it.
const locks = new Set<DatabaseSync>();

/**
 * Locks a file by way of an empty one beside it, whose lock the system drops with the process, however that ends. The
 * file itself stays free, so that tools can read it meanwhile.
 */
export function lockSqliteFile(path: string): FileLock {
  const lockPath = `${path}.lock`;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(lockPath);
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database?.close();
    const error = sqliteError(cause, path, 'open');
    if (error.reason !== 'DATABASE_BUSY') throw error;
    throw new PaystreamError('FAILED_PRECONDITION', `${path} is in use: stop the process that has it open, or choose another path`, {
      reason: 'DATABASE_IN_USE',
      details: { database: path },
      cause,
    });
  }
  const held = database;
  locks.add(held);
  return {
    release: () => {
      if (!locks.delete(held)) return;
      held.close();
    },
  };
}
