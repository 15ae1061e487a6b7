// A server in a process of its own, whatever it is: started, stopped, killed and restarted by tests, benchmarks and people.
import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** What is started, and how it is known to be ready. */
export interface ServerProcessOptions {
  /** For messages: `MariaDB did not come up`. */
  readonly title: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Where it runs, and where its log goes. */
  readonly directory: string;
  /** Whether the folder goes when the server is stopped. */
  readonly temporary: boolean;
  /** The ports of the loopback address that it listens on. One that is taken is refused before anything is started. */
  readonly ports: readonly number[];
  /** For a container: the command that ends it at once. */
  readonly kill?: readonly string[] | undefined;
  /** Goes on when this process ends. Default: false. */
  readonly detached?: boolean | undefined;
  /** Asked again and again until it says so. */
  readonly isReady: () => Promise<boolean>;
  readonly startTimeoutMs: number;
}

/** A server that runs. */
export interface ServerProcess {
  readonly directory: string;
  readonly logFile: string;
  /** Of the process that stands for the server; ending it ends the server. */
  readonly pid: number | undefined;
  /** Ends it in good order, and deletes its folder if that is a temporary one. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash does. The data stays: `restart` goes on with it. */
  kill(): Promise<void>;
  /** Starts it again on the same data, after ending it in good order if it runs. Resolves when it is ready. */
  restart(): Promise<void>;
}

const supervisor = fileURLToPath(new URL('./supervise.ts', import.meta.url));
const stopTimeoutMs = 30_000;
const askEveryMs = 50;

/** A server that listens on this port of the loopback address, any free one for 0. */
async function listenOn(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return server;
}

const closed = (server: Server): Promise<unknown> => new Promise((resolve) => server.close(resolve));

/** Ports of the loopback address that nobody listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listenOn(0)));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(closed));
  return ports;
}

/** Whoever listens there would be taken for the server that is started. */
async function refuseTaken(title: string, ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const server = await listenOn(port).catch((cause: unknown) => {
      const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
      const why = taken ? 'something else listens there: end that, or choose another port' : (cause as Error).message;
      throw new Error(`${title} cannot have port ${port}: ${why}`, { cause });
    });
    await closed(server);
  }
}

/** Starts a server and resolves when it is ready. It dies with this process unless `detached`. Rejects with the end of its log if it does not come up. */
export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const { title, directory, temporary, ports, isReady, startTimeoutMs, detached = false } = options;
  const logFile = join(directory, 'server.log');
  let child: ChildProcess | undefined;
  let exited: Promise<void> = Promise.resolve();

  async function spawnIt(): Promise<ChildProcess> {
    const log = await open(logFile, 'a');
    const { command, args, kill } = options;
    const what = JSON.stringify({ command, args, kill, leftovers: temporary ? directory : undefined });
    const started = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', supervisor, what], {
      cwd: directory,
      stdio: ['ignore', log.fd, log.fd, ...(detached ? [] : (['ipc'] as const))],
      // Not in the group of the terminal: Ctrl-C is for who started it, which stops it in its own way.
      detached: true,
    });
    exited = new Promise((resolve) => started.once('exit', () => resolve()).once('error', () => resolve()));
    if (detached) started.unref();
    child = started;
    await log.close();
    return started;
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ending = child;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const send = (what: 'SIGTERM' | 'SIGKILL'): unknown => (ending.connected ? ending.send(what, () => undefined) : ending.kill('SIGTERM'));
    send(signal);
    const timer = setTimeout(() => send('SIGKILL'), stopTimeoutMs);
    await exited;
    clearTimeout(timer);
  }

  async function forgetData(): Promise<void> {
    if (temporary) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async function start(): Promise<void> {
    await refuseTaken(title, ports).catch(async (error: unknown) => {
      await forgetData();
      throw error;
    });
    const started = await spawnIt();
    for (const until = Date.now() + startTimeoutMs; Date.now() < until; ) {
      if (await isReady()) return;
      if (started.exitCode !== null || started.signalCode !== null) break;
      await delay(askEveryMs);
    }
    const log = await readFile(logFile, 'utf8').catch(() => '');
    await end('SIGKILL');
    await forgetData();
    throw new Error(`${title} did not come up; the end of its log:\n${log.slice(-4_000)}`);
  }

  await start();
  return {
    directory,
    logFile,
    get pid() {
      return child?.pid;
    },
    async stop() {
      // Data that is thrown away need not be put in order first.
      await end(temporary ? 'SIGKILL' : 'SIGTERM');
      await forgetData();
    },
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM');
      await start();
    },
  };
}
