// Pulsar clients, each in a process of its own, so that what it takes of the processors is its own.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pulsarJars, settingsFolder } from '../../tools/pulsar/jars.ts';
import { pythonClientModules } from '../../tools/pulsar/python-client.ts';
import { run } from '../../tools/workspace.ts';

/** One round of producing or consuming. */
export interface PulsarRound {
  readonly do: 'produce' | 'consume';
  readonly serviceUrl: string;
  readonly topic: string;
  readonly subscription?: string;
  readonly shared?: boolean;
  readonly count: number;
  readonly size: number;
  /** In batches of one key each, every message with a key of its own. */
  readonly keyed?: boolean;
  /** Each message is sent once the one before is confirmed. */
  readonly oneByOne?: boolean;
}

/** What a round took. */
export interface Figures {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** How long a message took, of a round of one message at a time. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
}

/** A client in a process of its own. */
export interface MeasuredClient extends AsyncDisposable {
  readonly name: string;
  round(round: PulsarRound): Promise<Figures>;
}

function start(name: string, command: string, args: readonly string[]): MeasuredClient {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    name,
    async round(round) {
      child.stdin.write(`${JSON.stringify(round)}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error(`the client ${name} ended in the middle of a round`);
      const { error, ...figures } = JSON.parse(value) as Figures & { readonly error?: string };
      if (error !== undefined) throw new Error(`${name}: ${error}`);
      return figures;
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}

/** Our client. */
async function startOurs(): Promise<MeasuredClient> {
  return start('@paystream/pulsar', process.execPath, ['--conditions=paystream-source', join(import.meta.dirname, 'pulsar-rounds.ts')]);
}

/** The official Java client, from the jars of the broker. */
async function startJava(): Promise<MeasuredClient> {
  const opened = ['java.lang', 'java.nio', 'sun.net', 'jdk.internal.misc'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`);
  const log = `-Dlog4j2.configurationFile=${join(settingsFolder, 'log4j2.xml')}`;
  const program = join(import.meta.dirname, 'java-pulsar', 'Rounds.java');
  return start('official Java client', 'java', ['-Xmx768m', ...opened, log, '-cp', join(await pulsarJars(), '*'), program]);
}

/** The official Python client, which is the C++ client below. */
async function startPython(): Promise<MeasuredClient> {
  const program = 'import sys, runpy; sys.path.insert(0, sys.argv[1]); runpy.run_path(sys.argv[2])';
  const file = join(import.meta.dirname, 'python-pulsar', 'rounds.py');
  return start('official Python client', 'python3', ['-c', program, await pythonClientModules(), file]);
}

/**
 * The official Node client, a native addon. Its binary comes from outside the registry, so that it is no dependency:
 * PAYSTREAM_PULSAR_ADDON names the folder of an installed copy, `/somewhere/node_modules/pulsar-client`.
 */
async function startAddon(): Promise<MeasuredClient> {
  const folder = process.env['PAYSTREAM_PULSAR_ADDON'];
  if (!folder) throw new Error('PAYSTREAM_PULSAR_ADDON names no installed copy');
  // In a process of its own: what does not load may end its process.
  const { code, stdout } = await run(process.execPath, ['-p', `try { require(${JSON.stringify(folder)}), '' } catch (e) { e.message }`]);
  const why = code === 0 ? stdout.trim().split('\n')[0] : `its process ended with ${code}`;
  if (why) throw new Error(`it does not load: ${why}`);
  return start('official Node client', process.execPath, [join(import.meta.dirname, 'addon-rounds.ts'), folder]);
}

/** The official Go client, built once with Go into the user's cache. */
async function startGo(): Promise<MeasuredClient> {
  const source = join(import.meta.dirname, 'go-pulsar');
  const hash = createHash('sha256');
  for (const name of ['go.mod', 'go.sum', 'main.go']) hash.update(await readFile(join(source, name)));
  const caches = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const folder = join(caches, 'paystream', `go-pulsar-${hash.digest('hex').slice(0, 12)}`);
  const file = join(folder, process.platform === 'win32' ? 'go-pulsar.exe' : 'go-pulsar');
  const built = await access(file).then(
    () => true,
    () => false,
  );
  if (!built) {
    await mkdir(folder, { recursive: true });
    const { code, output } = await run('go', ['build', '-o', file, '.'], { cwd: source });
    if (code !== 0) throw new Error(`cannot build the Go program of this benchmark, which needs Go 1.25 or later:\n${output}`);
  }
  return start('official Go client', file, []);
}

/** All clients, ours first. Each start rejects with what is missing on this machine. */
export const clients = {
  ours: startOurs,
  go: startGo,
  java: startJava,
  python: startPython,
  addon: startAddon,
} as const satisfies Record<string, () => Promise<MeasuredClient>>;
