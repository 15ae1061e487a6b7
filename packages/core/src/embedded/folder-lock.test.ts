import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockFolder } from './folder-lock.ts';

const module = JSON.stringify(new URL('./folder-lock.ts', import.meta.url).href);
const script = `
  import { lockFolder } from ${module};
  try {
    lockFolder(process.argv[1]);
    await new Promise((resolve) => setImmediate(resolve));
    gc(); // a lock that nobody refers to is held all the same
    console.log('locked');
    setInterval(() => undefined, 1_000);
  } catch (error) {
    console.log(error.code + ' ' + error.reason + ' ' + error.message);
  }`;

let directory: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'paystream-lock-'));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  chmodSync(directory, 0o755);
  rmSync(directory, { recursive: true });
});

/** Locks the folder in another process; gives what it says first. */
async function lockElsewhere(folder: string, uid?: number): Promise<{ readonly child: ChildProcess; readonly says: string }> {
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script, folder],
    {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
      ...(uid === undefined ? {} : { uid }),
    },
  );
  children.push(child);
  const [says] = (await once(createInterface(child.stdout as NonNullable<typeof child.stdout>), 'line')) as [string];
  return { child, says };
}

describe('lockFolder', () => {
  it('makes the folder and those above it', () => {
    using lock = lockFolder(join(directory, 'a', 'b'));
    expect(lock.directory).toBe(join(directory, 'a', 'b'));
  });

  it('refuses a second start on the same data, saying which folder and what to do, until the first lets go', () => {
    const first = lockFolder(directory);
    expect(() => lockFolder(directory)).toThrow(
      expect.objectContaining({ code: 'FAILED_PRECONDITION', reason: 'DATA_FOLDER_IN_USE', message: expect.stringContaining(directory) }),
    );
    first.release();
    first.release();
    lockFolder(directory).release();
  });

  it('refuses a folder that another process has, and has it at once when that process is killed', async () => {
    const { child, says } = await lockElsewhere(directory);
    expect(says).toBe('locked');
    expect(() => lockFolder(directory)).toThrow(expect.objectContaining({ reason: 'DATA_FOLDER_IN_USE' }));
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockFolder(directory).release();
  });

  it('is seen by another process', async () => {
    using lock = lockFolder(directory);
    const { says } = await lockElsewhere(lock.directory);
    expect(says).toContain(`FAILED_PRECONDITION DATA_FOLDER_IN_USE the data folder ${directory}`);
  });

  it('says that a folder cannot be written before any data is at stake', async () => {
    const folder = join(directory, 'read-only');
    mkdirSync(folder);
    chmodSync(folder, 0o555);
    chmodSync(directory, 0o755);
    // The superuser may write anywhere: then somebody else is asked.
    const { says } = await lockElsewhere(folder, process.getuid?.() === 0 ? 65_534 : undefined);
    expect(says).toContain(`FAILED_PRECONDITION DATA_FOLDER_READ_ONLY the data folder ${folder}`);
  });

  it('says that a path is a file', () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    expect(() => lockFolder(file)).toThrow(expect.objectContaining({ reason: 'DATA_FOLDER_NOT_A_FOLDER' }));
    expect(() => lockFolder(join(file, 'below'))).toThrow(expect.objectContaining({ reason: 'DATA_FOLDER_NOT_A_FOLDER' }));
  });
});
