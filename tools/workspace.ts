// Where things are in this repository, and running its commands.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** What these tools read of a package's manifest. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly engines?: { readonly node?: string };
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly files?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** The manifest of the package in `directory`. */
export function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}

/** The folders of the packages that are published. */
export function packageDirectories(): readonly string[] {
  return readdirSync(join(root, 'packages'))
    .sort()
    .map((name) => join(root, 'packages', name));
}

/** The specifiers that users import a package by: `@paystream/core`, `@paystream/core/sql`. */
export function entryPoints(manifest: Manifest): readonly string[] {
  return Object.entries(manifest.exports ?? {})
    .filter(([, target]) => typeof target !== 'string')
    .map(([path]) => manifest.name + path.slice(1));
}

/** How a command ended. */
export interface Finished {
  /** Exit code; 128 if a signal ended it. */
  readonly code: number;
  /** Everything that it wrote, both streams as they came. */
  readonly output: string;
  /** What it wrote to standard output alone. */
  readonly stdout: string;
}

/** Options of {@link run}. */
export interface RunOptions {
  /** Default: the repository. */
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Show the output while it runs. Default: false. */
  readonly show?: boolean;
  /** Ended after so long, in milliseconds; the exit code is then 128. Default: never. */
  readonly timeoutMs?: number;
}

/** Runs a command to its end, with this repository's own binaries first on the path. Never rejects for an exit code. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const path = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env['PATH'] ?? ''}`;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, PATH: path, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
    });
    let output = '';
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      stdout += text;
      if (options.show) process.stdout.write(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (options.show) process.stderr.write(text);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 128, output, stdout }));
  });
}

/** Like {@link run}; rejects with the output if the exit code is not 0. */
export async function runOrFail(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const finished = await run(command, args, options);
  if (finished.code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${finished.code}\n${finished.output}`);
  return finished;
}

/** The tag of the newest release; undefined before the first. */
export async function lastRelease(): Promise<string | undefined> {
  const { code, stdout } = await run('git', ['describe', '--tags', '--abbrev=0', '--match', '@paystream/core@*']);
  return code === 0 ? stdout.trim() : undefined;
}
