import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** The disk, held up by a test. */
export interface HeldSyncs extends AsyncDisposable {
  /** Resolves when somebody waits for the disk. */
  asked(): Promise<void>;
  /** Lets those go on who wait; with an error, as if the disk had failed. */
  release(error?: Error): void;
}

/** For tests: whoever syncs a file waits until the test lets it. Back to the real disk when disposed. */
export function holdSyncs(): HeldSyncs {
  const real = fs.fdatasync;
  const asked = Promise.withResolvers<void>();
  let waiting: fs.NoParamCallback[] = [];
  const hold = (_descriptor: number, callback: fs.NoParamCallback): void => {
    waiting.push(callback);
    asked.resolve();
  };
  fs.fdatasync = Object.assign(hold, { __promisify__: real.__promisify__ });
  syncBuiltinESMExports();
  const release = (error: Error | null = null): void => {
    const callbacks = waiting;
    waiting = [];
    for (const callback of callbacks) callback(error);
  };
  return {
    asked: () => asked.promise,
    release,
    [Symbol.asyncDispose]: async () => {
      fs.fdatasync = real;
      syncBuiltinESMExports();
      release();
    },
  };
}
