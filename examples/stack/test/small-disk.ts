import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A disk of little room. */
export interface SmallDisk extends AsyncDisposable {
  readonly directory: string;
  /** What a command begins with that is to see the disk. */
  readonly prefix: readonly string[];
  /** Takes all the room that is left. */
  fill(): Promise<void>;
  /** Gives it back. */
  empty(): Promise<void>;
}

function small(directory: string, prefix: readonly string[], dispose: () => Promise<unknown>): SmallDisk {
  const filler = join(directory, 'filler');
  const shell = (script: string) => {
    const [program = 'sh', ...args] = [...prefix, 'sh', '-c', script];
    return run(program, args);
  };
  return {
    directory,
    prefix,
    // Whole blocks first, then what is left byte by byte; each ends with "no space left".
    fill: async () =>
      void (await shell(`for b in 64k 1k; do dd if=/dev/zero of='${filler}' bs=$b oflag=append conv=notrunc 2>/dev/null; done; true`)),
    empty: async () => void (await shell(`rm -f '${filler}'`)),
    [Symbol.asyncDispose]: async () => {
      await dispose();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Makes a disk of so many MiB in memory: by mounting it, or in a namespace where only root may mount. Says why where neither works. */
export async function createSmallDisk(megabytes: number): Promise<SmallDisk | string> {
  if (process.platform !== 'linux') return `there is no tmpfs on ${process.platform}`;
  const directory = await mkdtemp(join(tmpdir(), 'paystream-disk-'));
  const mount = ['mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'paystream-test', directory];
  try {
    await run('mount', mount.slice(1));
    return small(directory, [], () => run('umount', ['-l', directory]));
  } catch {
    // Not root: see whether the kernel lets anybody be root in a namespace of his own.
  }
  const holder = spawn('unshare', ['-rm', 'sh', '-c', `${mount.join(' ')} && echo mounted && exec sleep 3600`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = await new Promise<string>((resolve) => {
    holder.on('error', (error) => resolve(error.message));
    holder.on('exit', () => resolve('nobody but root may mount here'));
    holder.stdout.on('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
  });
  if (said === 'mounted') {
    const prefix = ['nsenter', '-t', `${holder.pid}`, '-U', '-m', '--preserve-credentials'];
    return small(directory, prefix, async () => holder.kill('SIGKILL'));
  }
  await rm(directory, { recursive: true, force: true });
  return said;
}
