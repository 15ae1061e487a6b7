// A real server of MariaDB or MySQL: started, stopped, killed, frozen and restarted by tests and benchmarks.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../workspace.ts';
import type { Flavor, FlavorName } from './flavor.ts';
import { mariadb } from './mariadb.ts';
import { mysql } from './mysql.ts';

/** Options of {@link startDatabase}. */
export interface DatabaseServerOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Where data and log go. Default: a new folder among the temporary ones, deleted when the server is stopped. */
  readonly directory?: string;
  /** Of the user `paystream`, who may do everything. Default: a random one. */
  readonly password?: string;
  /** Settings of the server, as on its command line without `--`. */
  readonly config?: Readonly<Record<string, string>>;
  /** Takes TLS too, with these PEM files; `required` takes nothing else. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly ca: string; readonly required?: boolean };
  /** Goes on when this process ends. Default: false. */
  readonly detached?: boolean;
}

/** A server that runs. */
export interface DatabaseServer {
  /** `mysql://paystream:password@127.0.0.1:3306/paystream` */
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  readonly logFile: string;
  /** Of the process that stands for the server; ending it ends the server. */
  readonly pid: number | undefined;
  /** Ends it in good order, and deletes its data if the folder was made by {@link startDatabase}. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash does. The data stays: `restart` goes on with it. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data, after ending it in good order if it runs. Resolves when it is ready. */
  restart(): Promise<void>;
  /** Stops its process from running, or lets it run on: connections stay open, and nothing answers. */
  freeze(frozen: boolean): Promise<void>;
}

/** The servers that can be started, by name. */
export const flavors: Readonly<Record<FlavorName, Flavor>> = { mariadb, mysql };

const startTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;
const user = 'paystream';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** A server greets whoever connects, once it is ready for him. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (ready: boolean): void => {
      socket.destroy();
      resolve(ready);
    };
    socket.setTimeout(2_000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    socket.once('data', () => end(true));
  });
}

async function install([command = '', ...args]: readonly string[], title: string): Promise<void> {
  const { code, output } = await run(command, args, { timeoutMs: startTimeoutMs });
  if (code !== 0) throw new Error(`${title} could not make a data folder:\n${output.slice(-4_000)}`);
}

/**
 * Starts a server on loopback and resolves when it takes connections: some 3 seconds with a new folder, 1 with an old one. It
 * dies with this process unless `detached`. Rejects with the end of its log if it does not come up, and with what to install
 * if there is none.
 */
export async function startDatabase(name: FlavorName, options: DatabaseServerOptions = {}): Promise<DatabaseServer> {
  const flavor = flavors[name];
  const programs = await flavor.find();
  const [command = '', ...firstArguments] = programs.server;
  const port = options.port ?? (await freePort());
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), `paystream-${name}-`)));
  const data = join(directory, 'data');
  const logFile = join(directory, 'server.log');
  const initFile = join(directory, 'accounts.sql');
  const pidFile = join(directory, 'server.pid');
  const password = options.password ?? randomBytes(12).toString('base64url');
  const { tls } = options;
  await mkdir(directory, { recursive: true });
  if (!(await exists(join(data, 'mysql')))) await install(programs.install(data), flavor.title);
  const statements = [
    'CREATE DATABASE IF NOT EXISTS paystream CHARACTER SET utf8mb4;',
    ...flavor.account({ user, password, tlsRequired: tls?.required === true }),
  ];
  await writeFile(initFile, `${statements.join('\n')}\n`, { mode: 0o600 });

  const settings: Readonly<Record<string, string>> = {
    datadir: data,
    port: String(port),
    'bind-address': '127.0.0.1',
    // Names of sockets may have some hundred characters only, and folders of tests have long ones.
    socket: join(tmpdir(), `paystream-${name}-${port}.sock`),
    'pid-file': pidFile,
    'init-file': initFile,
    'skip-name-resolve': '1',
    'character-set-server': 'utf8mb4',
    ...(tls === undefined ? {} : { 'ssl-cert': tls.certificate, 'ssl-key': tls.key, 'ssl-ca': tls.ca }),
    ...options.config,
  };
  let child: ChildProcess | undefined;
  let exited: Promise<void> = Promise.resolve();

  async function spawnIt(): Promise<void> {
    const log = await open(logFile, 'a');
    const supervisor = fileURLToPath(new URL('../pulsar/supervise.ts', import.meta.url));
    const detached = options.detached === true;
    const args = [...firstArguments, ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`)];
    const what = JSON.stringify({ command, args, leftovers: options.directory === undefined ? directory : undefined });
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
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async function start(): Promise<void> {
    await spawnIt();
    const waitingFor = child;
    for (const until = Date.now() + startTimeoutMs; Date.now() < until; ) {
      if (await greets(port)) return;
      if (waitingFor?.exitCode !== null || waitingFor.signalCode !== null) break;
      await delay(50);
    }
    const log = await readFile(logFile, 'utf8').catch(() => '');
    await end('SIGKILL');
    await forgetData();
    throw new Error(`${flavor.title} did not come up on port ${port}; the end of its log:\n${log.slice(-4_000)}`);
  }

  await start();
  return {
    url: `mysql://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/paystream`,
    port,
    directory,
    logFile,
    get pid() {
      return child?.pid;
    },
    async stop() {
      // Data that is thrown away need not be put in order first.
      await end(options.directory === undefined ? 'SIGKILL' : 'SIGTERM');
      await forgetData();
    },
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM');
      await start();
    },
    async freeze(frozen) {
      process.kill(Number(await readFile(pidFile, 'utf8')), frozen ? 'SIGSTOP' : 'SIGCONT');
    },
  };
}
