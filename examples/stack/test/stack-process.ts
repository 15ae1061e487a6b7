import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Health, systemClock } from '@paystream/core';
import { neighbouringPorts } from './neighbouring-ports.ts';

/** A stack in a process of its own, on a data folder and ports that stay the same through restarts. */
export interface StackProcess {
  readonly directory: string;
  readonly grpc: string;
  readonly http: string;
  /** Starts it and resolves when it is ready, with the milliseconds from start to ready. Throws with what it printed if it ends instead. */
  start(): Promise<number>;
  /** Ends it at once, as a crash of the machine's power would end the process. */
  kill(): Promise<void>;
  /** Asks it to stop and resolves with its exit code. */
  stop(): Promise<number | null>;
  /** Starts one that is expected to end by itself; resolves with its exit code, `null` if it had to be killed after a minute. */
  fail(): Promise<number | null>;
  /** What it has printed since its last start. */
  readonly output: string;
  /** Of its process, while that runs. */
  readonly pid: number | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Whether a process with this id runs. */
export function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The status of a stack's `/readyz`, and why each part is not ready that is not, by its name. */
export async function readinessOf(
  stack: StackProcess,
): Promise<{ readonly status: number; readonly unready: Readonly<Record<string, string>> }> {
  const response = await fetch(`${stack.http}/readyz`);
  const { components } = (await response.json()) as Health;
  const unready = components.filter(({ state }) => state !== 'ready').map(({ name, detail }) => [name, detail ?? '']);
  return { status: response.status, unready: Object.fromEntries(unready) };
}

/** A TCP port of the loopback interface that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

/** What a process runs, and where it listens. */
interface Program {
  /** Its file in the folder of the stack. */
  readonly file: string;
  /** What it prints once it is ready. */
  readonly readyLine: string;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly prefix?: readonly string[];
  readonly args?: readonly string[];
}

/** Prepares a stack; nothing runs until `start`. `prefix` is what its command begins with: a program that runs it elsewhere. */
export async function createStackProcess(
  settings: Readonly<Record<string, string>> = {},
  prefix: readonly string[] = [],
): Promise<StackProcess> {
  const [grpcPort, httpPort] = [await freePort(), await freePort()];
  return createProcess({ file: 'main.ts', readyLine: 'Paystream is ready', grpcPort, httpPort, settings, prefix });
}

/** How many processes of a launcher have ports. */
const mostLaunched = 20;

/** Prepares the launcher of services in processes of their own; `args` are its options, `grpc` and `http` those of its first order service. */
export async function createLauncherProcess(
  settings: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<StackProcess> {
  const grpcPort = await neighbouringPorts(2 * mostLaunched);
  const httpPort = grpcPort + mostLaunched;
  return createProcess({ file: 'services.ts', readyLine: 'Ctrl+C stops them', grpcPort, httpPort, settings, args });
}

async function createProcess({ file, readyLine, grpcPort, httpPort, settings, prefix = [], args = [] }: Program): Promise<StackProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'paystream-stack-'));
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PAYSTREAM_')));
  const env = {
    ...inherited,
    PAYSTREAM_DATA_DIR: join(directory, 'data'),
    PAYSTREAM_GRPC_PORT: `${grpcPort}`,
    PAYSTREAM_HTTP_PORT: `${httpPort}`,
    ...settings,
  };
  let child: ChildProcess | undefined;
  let output = '';

  const begin = (): ChildProcess => {
    output = '';
    const path = join(import.meta.dirname, '..', file);
    const [program = process.execPath, ...rest] = [...prefix, process.execPath, '--conditions=paystream-source', path, ...args];
    const started = spawn(program, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child = started;
    return started;
  };

  const ended = async (): Promise<number | null> => {
    if (child === undefined) return null;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  };

  const stack: StackProcess = {
    directory,
    grpc: `127.0.0.1:${grpcPort}`,
    http: `http://127.0.0.1:${httpPort}`,
    start: async () => {
      const startMs = systemClock.monotonic();
      const started = begin();
      while (!output.includes(readyLine)) {
        if (started.exitCode !== null || started.signalCode !== null) {
          throw new Error(`the stack ended with ${started.exitCode ?? started.signalCode}:\n${output}`);
        }
        await systemClock.sleep(5);
      }
      return systemClock.monotonic() - startMs;
    },
    kill: async () => {
      child?.kill('SIGKILL');
      await ended();
    },
    stop: async () => {
      child?.kill('SIGTERM');
      return ended();
    },
    fail: async () => {
      const started = begin();
      const timer = systemClock.setTimer(60_000, () => started.kill('SIGKILL'));
      // Its output is whole only when its streams are closed too.
      await once(started, 'close');
      timer.cancel();
      return started.exitCode;
    },
    get output() {
      return output;
    },
    get pid() {
      return child?.exitCode === null && child.signalCode === null ? child.pid : undefined;
    },
    [Symbol.asyncDispose]: async () => {
      await stack.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return stack;
}
