import { constants, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Clock, ClockTimer, Logger } from '@paystream/core';
import { type FilePosition, unwritable } from './log-file.ts';

/** Options of {@link createCommittedMark}. */
export interface CommittedMarkOptions {
  readonly path: string;
  /** What counts where nothing is noted. */
  readonly otherwise: FilePosition;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A note beside the files of how far they were committed. By it bytes that a crash left behind the committed end, which come
 * again, differ from those of which the database knows no more, which do not. The note may lag by a second, never lead.
 */
export interface CommittedMark {
  /** So far, at least, the files were committed. */
  readonly position: FilePosition;
  /** To be called when a commit is known; writes it down within a second. */
  set(position: FilePosition): void;
  /** Writes down what is not yet. */
  close(): Promise<void>;
}

/** Whether one position comes before another. */
export function isBefore(one: FilePosition, other: FilePosition): boolean {
  return one.sequence < other.sequence || (one.sequence === other.sequence && one.size < other.size);
}

const writeEveryMs = 1_000;
/** Always of one length, so that it is written over in place: at no moment is the note gone. */
const noteLength = 64;

function noteOf({ sequence, size }: FilePosition): string {
  return `${JSON.stringify({ sequence, size }).padEnd(noteLength - 1)}\n`;
}

function readNote(path: string): FilePosition | undefined {
  try {
    const { sequence, size } = JSON.parse(readFileSync(path, 'utf8')) as Partial<FilePosition>;
    if (Number.isSafeInteger(sequence) && Number.isSafeInteger(size)) return { sequence: Number(sequence), size: Number(size) };
  } catch (error) {
    // There is none yet, or a power failure tore it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && !(error instanceof SyntaxError)) throw unwritable(path, error);
  }
  return undefined;
}

/** Reads the note. Throws `UNAVAILABLE` / `LOG_FILE_UNWRITABLE` if it is there and cannot be read. */
export function createCommittedMark({ path, otherwise, clock, logger }: CommittedMarkOptions): CommittedMark {
  let position = readNote(path) ?? otherwise;
  let written = position;
  let lastWrite: Promise<void> = Promise.resolve();
  let timer: ClockTimer | undefined;
  let failing = false;

  const write = async (): Promise<void> => {
    const noted = position;
    if (noted === written) return;
    try {
      await writeFile(path, noteOf(noted), { flag: constants.O_WRONLY | constants.O_CREAT, mode: 0o640 });
      written = noted;
      failing = false;
    } catch (error) {
      if (!failing)
        logger.warn({ err: error, file: path }, 'cannot note how far the log files are committed; trying again with the next lines');
      failing = true;
    }
  };

  const writeNext = (): void => {
    timer?.cancel();
    timer = undefined;
    lastWrite = lastWrite.then(write);
  };

  return {
    get position() {
      return position;
    },
    set: (to) => {
      position = to;
      timer ??= clock.setTimer(writeEveryMs, writeNext, { unref: true });
    },
    close: () => {
      writeNext();
      return lastWrite;
    },
  };
}
