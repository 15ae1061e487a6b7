import { closeSync, fdatasync, openSync } from 'node:fs';
import { PaystreamError } from '../../errors/paystream-error.ts';

/** Puts on the disk what a connection has committed, while the event loop goes on. */
export interface WalSync {
  /**
   * Resolves when every commit before this call survives a power failure. Rejects with `UNAVAILABLE` / `DISK_ERROR` if the
   * disk failed, and ever after: the system forgets then what it did not write, so a later success would mean nothing.
   */
  synced(): Promise<void>;
  close(): void;
}

/**
 * Syncs the write-ahead log of a file in WAL mode, as SQLite itself does with `synchronous = FULL`, but off the thread: a
 * disk takes a tenth of a millisecond or ten for it, in which the process could have done the work of several orders.
 */
export function createWalSync(path: string): WalSync {
  let descriptor: number | undefined;
  let failure: PaystreamError | undefined;

  return {
    synced: () =>
      new Promise((resolve, reject) => {
        const fail = (cause: unknown): void => {
          failure ??= new PaystreamError(
            'UNAVAILABLE',
            `SQLite database ${path}: the disk failed to store what was committed: ${String(cause)}: check the disk, then restart the process`,
            { reason: 'DISK_ERROR', details: { database: path }, cause },
          );
          reject(failure);
        };
        if (failure !== undefined) {
          reject(failure);
          return;
        }
        try {
          // For writing, though nothing is written: Windows syncs no other.
          descriptor ??= openSync(`${path}-wal`, 'r+');
        } catch (cause) {
          fail(cause);
          return;
        }
        fdatasync(descriptor, (cause) => (cause === null ? resolve() : fail(cause)));
      }),
    close: () => {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}
