import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@paystream/core';

const main = join(import.meta.dirname, '..', 'main.ts');

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
  [Symbol.asyncDispose](): Promise<void>;
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

/** Prepares a stack; nothing runs until `start`. `prefix` is what its command begins with: a program that runs it elsewhere. */
export async function createStackProcess(
  settings: Readonly<Record<string, string>> = {},
  prefix: readonly string[] = [],
): Promise<StackProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'paystream-stack-'));
  const [grpcPort, httpPort] = [await freePort(), await freePort()];
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
    const [program = process.execPath, ...args] = [...prefix, process.execPath, '--conditions=paystream-source', main];
    const started = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
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
      while (!output.includes('Paystream is ready')) {
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
    [Symbol.asyncDispose]: async () => {
      await stack.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return stack;
}
