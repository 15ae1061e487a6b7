import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PaystreamError } from '@paystream/core';

/** Where the file stands: which one, and how many bytes of it count. */
export interface FilePosition {
  /** Grows by one with each rotation; part of the name. */
  readonly sequence: number;
  readonly size: number;
}

/** Options of {@link openLogFile}. */
export interface LogFileOptions {
  readonly directory: string;
  /** The first part of the names: `sink-000001.jsonl`. */
  readonly name: string;
  /** A file that would grow beyond so many bytes is left, and the next one begun. One batch is never split. */
  readonly maxBytes: number;
  /** How many files are kept, the current one included. */
  readonly keep: number;
  /** Whether bytes are to be on the disk, not only with the operating system. */
  readonly fsync: boolean;
}

/**
 * A rotating file whose position the caller keeps. It is only ever appended to and cut, so that nobody overwrites what is
 * there, and whoever appends finds out if somebody else wrote.
 *
 * Throws `UNAVAILABLE` / `LOG_FILE_UNWRITABLE`, naming the file; `LOG_FILE_CHANGED` if what is appended does not begin and end
 * where it should, for others have written, cut or moved the file.
 */
export interface LogFile {
  /** Makes the file be exactly what `position` says: cuts off what lies behind it, removes later files. Returns where to go on: behind `position`, or in a new file if less is there than should be. */
  restore(position: FilePosition): FilePosition;
  /** Begins a new file behind all that are there, and behind `position`; leaves what is there as it is. Returns where to go on. */
  beginBehind(position: FilePosition): FilePosition;
  /** The sequence of the last file that is there; 0 without one. */
  last(): number;
  /** Where `bytes` bytes after `position` will end. */
  after(position: FilePosition, bytes: number): FilePosition;
  /** Appends the bytes, which must end at `end`, while the event loop waits for the disk. */
  append(bytes: Uint8Array, end: FilePosition): void;
  /** The same, but the event loop waits only until the operating system has the bytes. Resolves when they are on the disk. Not to be called twice at once. */
  appendAndSync(bytes: Uint8Array, end: FilePosition): Promise<void>;
  /** Appends the bytes off the thread. Not to be called twice at once; the next file is begun when the last is synced. */
  write(bytes: Uint8Array, end: FilePosition): Promise<void>;
  /** Resolves when what was written before is on the disk, off the thread. Not to be called twice at once: the system tells of a failure once. */
  sync(): Promise<void>;
  /** Removes files that are too old to be kept. */
  prune(position: FilePosition): void;
  path(position: FilePosition): string;
  /** To be called when nothing is under way. What is written later opens the file again. */
  close(): Promise<void>;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, null);
}

/** The error of a file that cannot be read or written. */
export function unwritable(path: string, cause: unknown): PaystreamError {
  if (PaystreamError.is(cause)) return cause;
  const message = `cannot write the log file ${path}: ${cause instanceof Error ? cause.message : String(cause)}. Free space or grant access; entries wait on their topics until then`;
  return new PaystreamError('UNAVAILABLE', message, { reason: 'LOG_FILE_UNWRITABLE', details: { path }, cause });
}

const changedReason = 'LOG_FILE_CHANGED';

/** Whether somebody else wrote, cut or moved the file. */
export function hasChanged(error: unknown): boolean {
  return PaystreamError.is(error) && error.reason === changedReason;
}

function checkSize(path: string, size: number, expected: number): void {
  if (size === expected) return;
  throw new PaystreamError(
    'UNAVAILABLE',
    `the log file ${path} has ${size} bytes where ${expected} were expected: something else writes, cuts or moves it. Leave it to the sink alone`,
    { reason: changedReason, details: { path } },
  );
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Opens the folder, making it if it is missing. */
export function openLogFile(options: LogFileOptions): LogFile {
  const { directory, name, maxBytes, keep, fsync } = options;
  const syncsFolders = fsync && process.platform !== 'win32';
  const mode = 0o640;
  let current: { readonly sequence: number; readonly handle: FileHandle } | undefined;

  const fileName = (sequence: number): string => `${name}-${String(sequence).padStart(6, '0')}.jsonl`;
  const path = (position: FilePosition): string => join(directory, fileName(position.sequence));

  const guarded = <T>(file: string, work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw unwritable(file, cause);
    }
  };

  const sequences = (): number[] =>
    readdirSync(directory).flatMap((file) => {
      const digits = file.startsWith(`${name}-`) && file.endsWith('.jsonl') ? file.slice(name.length + 1, -6) : '';
      return /^\d{6,}$/.test(digits) ? [Number(digits)] : [];
    });

  const remove = (which: (sequence: number) => boolean): void => {
    for (const sequence of sequences().filter(which)) unlinkSync(join(directory, fileName(sequence)));
  };

  const syncFolder = (): void => {
    if (!syncsFolders) return;
    const fd = openSync(directory, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  };

  const sizeNow = (file: string): number => {
    try {
      return statSync(file).size;
    } catch (error) {
      if (isMissing(error)) return 0;
      throw error;
    }
  };

  const last = (): number => sequences().reduce((most, sequence) => Math.max(most, sequence), 0);

  const appendTo = (file: string, work: (fd: number) => void): void => {
    const fd = openSync(file, 'a', mode);
    try {
      work(fd);
    } finally {
      closeSync(fd);
    }
  };

  const close = async (): Promise<void> => {
    const closing = current;
    current = undefined;
    await closing?.handle.close();
  };

  const handleOf = async (end: FilePosition): Promise<FileHandle> => {
    if (current?.sequence === end.sequence) return current.handle;
    await close();
    const handle = await open(path(end), 'a', mode);
    current = { sequence: end.sequence, handle };
    if (syncsFolders) {
      const folder = await open(directory, 'r');
      await folder.sync().finally(() => folder.close());
    }
    return handle;
  };

  const sizeOf = async (file: string): Promise<number> => {
    try {
      return (await stat(file)).size;
    } catch (error) {
      if (isMissing(error)) return 0;
      throw error;
    }
  };

  const awaited = async (file: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (cause) {
      throw unwritable(file, cause);
    }
  };

  guarded(directory, () => mkdirSync(directory, { recursive: true }));

  return {
    path,
    restore: (position) =>
      guarded(path(position), () => {
        mkdirSync(directory, { recursive: true });
        remove((sequence) => sequence > position.sequence);
        const size = sizeNow(path(position));
        const restored = size < position.size ? { sequence: position.sequence + 1, size: 0 } : position;
        if (size > position.size) truncateSync(path(position), position.size);
        // Finds out now whether it can be written.
        appendTo(path(restored), () => undefined);
        syncFolder();
        return restored;
      }),
    beginBehind: (position) =>
      guarded(directory, () => {
        mkdirSync(directory, { recursive: true });
        const sequence = Math.max(position.sequence, last());
        // One that is empty was begun for nothing, by a start that failed.
        const begun = { sequence: sizeNow(join(directory, fileName(sequence))) === 0 ? sequence : sequence + 1, size: 0 };
        appendTo(path(begun), () => undefined);
        syncFolder();
        return begun;
      }),
    last: () => guarded(directory, last),
    after: (position, bytes) =>
      position.size > 0 && position.size + bytes > maxBytes
        ? { sequence: position.sequence + 1, size: bytes }
        : { sequence: position.sequence, size: position.size + bytes },
    append: (bytes, end) =>
      guarded(path(end), () => {
        checkSize(path(end), sizeNow(path(end)), end.size - bytes.length);
        appendTo(path(end), (fd) => {
          writeAll(fd, bytes);
          if (fsync) fdatasyncSync(fd);
        });
        checkSize(path(end), sizeNow(path(end)), end.size);
        if (end.size === bytes.length) syncFolder();
      }),
    appendAndSync: (bytes, end) =>
      awaited(path(end), async () => {
        const handle = await handleOf(end);
        checkSize(path(end), sizeNow(path(end)), end.size - bytes.length);
        writeAll(handle.fd, bytes);
        if (fsync) await handle.datasync();
        checkSize(path(end), sizeNow(path(end)), end.size);
      }),
    write: (bytes, end) =>
      awaited(path(end), async () => {
        const handle = await handleOf(end);
        checkSize(path(end), await sizeOf(path(end)), end.size - bytes.length);
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
          done += bytesWritten;
        }
        checkSize(path(end), await sizeOf(path(end)), end.size);
      }),
    sync: async () => {
      if (!fsync || current === undefined) return;
      const { sequence, handle } = current;
      await awaited(join(directory, fileName(sequence)), () => handle.datasync());
    },
    prune: (position) => guarded(directory, () => remove((sequence) => sequence <= position.sequence - keep)),
    close,
  };
}
