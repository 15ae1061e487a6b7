import { accessSync, constants, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type FileLock, lockSqliteFile } from './sqlite/lock.ts';

/** A folder that this process alone may use. */
export interface FolderLock extends Disposable {
  /** The folder, as an absolute path. */
  readonly directory: string;
  /** Lets go of it. Safe to call again; the end of the process does it too. */
  release(): void;
}

const notWritable: ReadonlySet<unknown> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'DATABASE_READ_ONLY',
  'DATABASE_NO_ACCESS',
  'DATABASE_CANNOT_OPEN',
]);

function folderError(cause: unknown, directory: string): PaystreamError {
  const details = { directory };
  const { code } = cause as { code?: unknown };
  const why = PaystreamError.is(cause) ? cause.reason : code;
  if (why === 'DATABASE_IN_USE') {
    return new PaystreamError(
      'FAILED_PRECONDITION',
      `the data folder ${directory} is in use by another process: stop that one, or choose another folder`,
      { reason: 'DATA_FOLDER_IN_USE', details, cause },
    );
  }
  if (notWritable.has(why)) {
    return new PaystreamError(
      'FAILED_PRECONDITION',
      `the data folder ${directory} cannot be written: give this user the right to, or choose another folder`,
      { reason: 'DATA_FOLDER_READ_ONLY', details, cause },
    );
  }
  if (why === 'EEXIST' || why === 'ENOTDIR') {
    return new PaystreamError('FAILED_PRECONDITION', `the data folder ${directory} is a file, or lies below one: choose another folder`, {
      reason: 'DATA_FOLDER_NOT_A_FOLDER',
      details,
      cause,
    });
  }
  if (why === 'ENOSPC' || why === 'EDQUOT') {
    return new PaystreamError('UNAVAILABLE', `there is no room for the data folder ${directory}: free some space`, {
      reason: 'DISK_FULL',
      details,
      cause,
    });
  }
  return PaystreamError.from(cause);
}

/**
 * Makes a folder if it is not there, and locks it for this process. The system drops the lock with the process, however
 * that ends, so there is never a stale one to remove. Not for folders on network drives.
 *
 * Errors: `FAILED_PRECONDITION` with `DATA_FOLDER_IN_USE`, `DATA_FOLDER_READ_ONLY` or `DATA_FOLDER_NOT_A_FOLDER`.
 *
 * @example
 * ```ts
 * using lock = lockFolder('./data');
 * const broker = await createEmbeddedBroker({ path: join(lock.directory, 'broker.db') });
 * ```
 */
export function lockFolder(directory: string): FolderLock {
  const absolute = resolve(directory);
  let lock: FileLock;
  try {
    mkdirSync(absolute, { recursive: true });
    accessSync(absolute, constants.W_OK | constants.X_OK);
    lock = lockSqliteFile(join(absolute, 'paystream'));
  } catch (cause) {
    throw folderError(cause, absolute);
  }
  return {
    directory: absolute,
    release: lock.release,
    [Symbol.dispose]: lock.release,
  };
}
