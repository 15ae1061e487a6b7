import type { Socket } from 'node:net';

/** Frames up to this size are copied together; larger ones go to the socket as they are. */
const COPY_BELOW = 4 * 1024;
/** So many bytes may wait for the socket before writers are asked to. */
const HIGH_WATER_MARK = 1024 * 1024;

/** Writes frames to a socket: all that are written in one turn go out with one call of the system. */
export interface SocketWriter {
  /** Whether the socket takes more. */
  readonly writable: boolean;
  write(frames: Buffer | readonly Buffer[]): boolean;
  /** Resolves when the socket takes more or the writer is closed. */
  drained(): Promise<void>;
  /** Drops what is not written yet and wakes who waits. */
  close(): void;
}

/** Joins runs of small buffers, so that a hundred acknowledgements are one piece. */
function joined(frames: readonly Buffer[]): Buffer[] {
  const pieces: Buffer[] = [];
  let run: Buffer[] = [];
  const endRun = (): void => {
    const [first] = run;
    if (first !== undefined) pieces.push(run.length === 1 ? first : Buffer.concat(run));
    run = [];
  };
  for (const frame of frames) {
    if (frame.length < COPY_BELOW) {
      run.push(frame);
    } else {
      endRun();
      pieces.push(frame);
    }
  }
  endRun();
  return pieces;
}

/** A writer for a connected socket. */
export function createSocketWriter(socket: Socket): SocketWriter {
  let queued: Buffer[] = [];
  let queuedBytes = 0;
  let scheduled = false;
  let closed = false;
  let waiting: (() => void)[] = [];

  const isWritable = (): boolean => queuedBytes + socket.writableLength < HIGH_WATER_MARK;

  function flush(): void {
    scheduled = false;
    if (closed) return;
    const pieces = queued.length === 1 ? queued : joined(queued);
    queued = [];
    queuedBytes = 0;
    if (pieces.length > 1) socket.cork();
    for (const piece of pieces) socket.write(piece);
    if (pieces.length > 1) socket.uncork();
    // What the system takes at once is never followed by `drain`.
    if (waiting.length > 0 && isWritable()) wake();
  }

  function write(frames: Buffer | readonly Buffer[]): boolean {
    if (closed) return false;
    if (Buffer.isBuffer(frames)) {
      queued.push(frames);
      queuedBytes += frames.length;
    } else {
      for (const frame of frames) {
        queued.push(frame);
        queuedBytes += frame.length;
      }
    }
    if (!scheduled && queued.length > 0) {
      scheduled = true;
      // After the promises of this turn have gone on: whoever they wake writes with it.
      process.nextTick(flush);
    }
    return isWritable();
  }

  function drained(): Promise<void> {
    if (closed || isWritable()) return Promise.resolve();
    return new Promise((resolve) => waiting.push(resolve));
  }

  function wake(): void {
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  }

  socket.on('drain', wake);
  return {
    get writable() {
      return !closed && isWritable();
    },
    write,
    drained,
    close() {
      closed = true;
      queued = [];
      queuedBytes = 0;
      socket.off('drain', wake);
      wake();
    },
  };
}
