import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that is gone when it is disposed. */
export interface Folder extends AsyncDisposable {
  path(name: string): string;
}

/** Makes one among the system's temporary files. */
export async function temporaryFolder(): Promise<Folder> {
  const directory = await mkdtemp(join(tmpdir(), 'paystream-bench-'));
  return {
    path: (name) => join(directory, name),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}
