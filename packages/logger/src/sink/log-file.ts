import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
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
  /** Whether bytes are on the disk, not only with the operating system, before `write` returns. */
  readonly fsync: boolean;
}

/**
 * A rotating file whose position the caller keeps. Everything is synchronous, since it happens inside a transaction,
 * which must await nothing else. Throws `UNAVAILABLE` / `LOG_FILE_UNWRITABLE`, naming the file.
 */
export interface LogFile {
  /** Makes the file be exactly what `position` says: cuts off what lies behind it, removes later files. Returns where to go on: behind `position`, or in a new file if less is there than should be. */
  restore(position: FilePosition): FilePosition;
  /** Where `bytes` bytes after `position` will end. */
  after(position: FilePosition, bytes: number): FilePosition;
  /** Writes the bytes so that they end at `end`. */
  write(bytes: Uint8Array, end: FilePosition): void;
  /** Removes files that are too old to be kept. */
  prune(position: FilePosition): void;
  path(position: FilePosition): string;
  close(): void;
}

function unwritable(path: string, cause: unknown): PaystreamError {
  const message = `cannot write the log file ${path}: ${cause instanceof Error ? cause.message : String(cause)}. Free space or grant access; entries wait on their topics until then`;
  return new PaystreamError('UNAVAILABLE', message, { reason: 'LOG_FILE_UNWRITABLE', details: { path }, cause });
}

/** Opens the folder, making it if it is missing. */
export function openLogFile(options: LogFileOptions): LogFile {
  const { directory, name, maxBytes, keep, fsync } = options;
  let open: { readonly sequence: number; readonly fd: number } | undefined;

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

  const close = (): void => {
    if (open === undefined) return;
    closeSync(open.fd);
    open = undefined;
  };

  const syncDirectory = (): void => {
    if (!fsync || process.platform === 'win32') return;
    const fd = openSync(directory, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  };

  const descriptor = (sequence: number): number => {
    if (open?.sequence === sequence) return open.fd;
    close();
    open = { sequence, fd: openSync(join(directory, fileName(sequence)), constants.O_RDWR | constants.O_CREAT, 0o640) };
    syncDirectory();
    return open.fd;
  };

  const remove = (which: (sequence: number) => boolean): void => {
    for (const sequence of sequences().filter(which)) unlinkSync(join(directory, fileName(sequence)));
  };

  const writeAll = (fd: number, bytes: Uint8Array, from: number): void => {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, from + done);
    if (fsync) fdatasyncSync(fd);
  };

  guarded(directory, () => mkdirSync(directory, { recursive: true }));

  return {
    path,
    restore: (position) =>
      guarded(path(position), () => {
        remove((sequence) => sequence > position.sequence);
        const fd = descriptor(position.sequence);
        const { size } = fstatSync(fd);
        if (size < position.size) return { sequence: position.sequence + 1, size: 0 };
        if (size > position.size) ftruncateSync(fd, position.size);
        return position;
      }),
    after: (position, bytes) =>
      position.size > 0 && position.size + bytes > maxBytes
        ? { sequence: position.sequence + 1, size: bytes }
        : { sequence: position.sequence, size: position.size + bytes },
    write: (bytes, end) =>
      guarded(path(end), () => {
        try {
          writeAll(descriptor(end.sequence), bytes, end.size - bytes.length);
        } catch (error) {
          // Whoever mends it may put another file in its place.
          close();
          throw error;
        }
      }),
    prune: (position) => guarded(directory, () => remove((sequence) => sequence <= position.sequence - keep)),
    close,
  };
}
