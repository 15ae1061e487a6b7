// A real server of MariaDB or MySQL: started, stopped, killed, frozen and restarted by tests and benchmarks.
import { randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, type ServerProcess, startServerProcess } from '../servers/server-process.ts';
import { run } from '../workspace.ts';
import type { Flavor, FlavorName } from './flavor.ts';
import { mariadb } from './mariadb.ts';
import { mariadbNewest } from './mariadb-newest.ts';
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
export interface DatabaseServer extends ServerProcess {
  /** `mysql://paystream:password@127.0.0.1:3306/paystream` */
  readonly url: string;
  readonly port: number;
  /** Stops its process from running, or lets it run on: connections stay open, and nothing answers. */
  freeze(frozen: boolean): Promise<void>;
}

/** The servers that can be started, by name. */
export const flavors: Readonly<Record<FlavorName, Flavor>> = { mariadb, 'mariadb-newest': mariadbNewest, mysql };

const startTimeoutMs = 60_000;
const user = 'paystream';

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

async function install([command = '', ...args]: readonly string[], temporary: string, title: string): Promise<void> {
  const { code, output } = await run(command, args, { env: { TMPDIR: temporary }, timeoutMs: startTimeoutMs });
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
  const [anyPort = 0] = await freePorts(1);
  const port = options.port ?? anyPort;
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), `paystream-${name}-`)));
  const data = join(directory, 'data');
  const initFile = join(directory, 'accounts.sql');
  const pidFile = join(directory, 'server.pid');
  const password = options.password ?? randomBytes(12).toString('base64url');
  const { tls } = options;
  // Of its own: MariaDB begins by deleting what looks like left-over tables there, those of another that begins among them.
  const temporary = join(directory, 'tmp');
  await mkdir(temporary, { recursive: true });
  if (!(await exists(join(data, 'mysql')))) await install(programs.install(data), temporary, flavor.title);
  const statements = [
    'CREATE DATABASE IF NOT EXISTS paystream CHARACTER SET utf8mb4;',
    ...flavor.account({ user, password, tlsRequired: tls?.required === true }),
  ];
  await writeFile(initFile, `${statements.join('\n')}\n`, { mode: 0o600 });

  const settings: Readonly<Record<string, string>> = {
    datadir: data,
    tmpdir: temporary,
    port: String(port),
    'bind-address': '127.0.0.1',
    // The name of a socket has some hundred characters at most, and a folder may have more.
    socket: directory.length < 80 ? join(directory, 'server.sock') : join(tmpdir(), `paystream-${name}-${port}.sock`),
    'pid-file': pidFile,
    'init-file': initFile,
    'skip-name-resolve': '1',
    'character-set-server': 'utf8mb4',
    ...(tls === undefined ? {} : { 'ssl-cert': tls.certificate, 'ssl-key': tls.key, 'ssl-ca': tls.ca }),
    ...options.config,
  };
  const server = await startServerProcess({
    title: flavor.title,
    command,
    args: [...firstArguments, ...Object.entries(settings).map(([setting, value]) => `--${setting}=${value}`)],
    directory,
    temporary: options.directory === undefined,
    ports: [port],
    detached: options.detached,
    isReady: () => greets(port),
    startTimeoutMs,
  });
  return Object.assign(server, {
    url: `mysql://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/paystream`,
    port,
    async freeze(frozen: boolean) {
      process.kill(Number(await readFile(pidFile, 'utf8')), frozen ? 'SIGSTOP' : 'SIGCONT');
    },
  });
}
