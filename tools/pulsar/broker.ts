// A real Pulsar broker with its bookie in one process: started, stopped, killed and restarted by tests and benchmarks.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { settingsFolder } from './jars.ts';
import { launchOf } from './launch.ts';

/** Ports of a broker on the loopback address. */
export interface PulsarPorts {
  /** Binary protocol. */
  readonly broker: number;
  /** Admin over HTTP, and WebSocket. */
  readonly web: number;
  readonly bookie: number;
  /** Binary protocol over TLS; open only with `tls`. */
  readonly brokerTls: number;
}

/** Options of {@link startPulsar}. */
export interface PulsarOptions {
  /** Settings of the broker, over those of `standalone.conf`. */
  readonly config?: Readonly<Record<string, string>> | ((ports: PulsarPorts, directory: string) => Readonly<Record<string, string>>);
  /** Default: free ones. */
  readonly ports?: Partial<PulsarPorts>;
  /** Serves TLS too, with these PEM files. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly ca: string };
  /** Sent with the requests that ask whether the broker is ready. */
  readonly adminHeaders?: Readonly<Record<string, string>>;
  /** Where data and log go. Default: a new folder among the temporary ones, deleted when the broker is stopped. */
  readonly directory?: string;
  /** Default: 512. */
  readonly heapMb?: number;
  /** Default: 768. */
  readonly directMemoryMb?: number;
  /** Level of the broker's log: `warn` (the default), `info`, `debug`. */
  readonly logLevel?: string;
  /** Comes up with half the work, and is slower ever after: for tests, not for measurements. Default: false. */
  readonly quickStart?: boolean;
  /** Goes on when this process ends. Default: false. */
  readonly detached?: boolean;
}

/** A broker that runs. */
export interface PulsarBroker {
  /** `pulsar://127.0.0.1:6650` */
  readonly serviceUrl: string;
  /** `pulsar+ssl://localhost:6651`; set with `tls`. */
  readonly serviceUrlTls: string | undefined;
  /** `http://127.0.0.1:8080` */
  readonly adminUrl: string;
  /** `ws://127.0.0.1:8080` */
  readonly webServiceUrl: string;
  readonly ports: PulsarPorts;
  readonly directory: string;
  readonly logFile: string;
  /** Of the process that stands for the broker; ending it ends the broker. */
  readonly pid: number | undefined;
  /** Ends it in good order, and deletes its data if the folder was made by {@link startPulsar}. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash does. The data stays: `restart` goes on with it. */
  kill(): Promise<void>;
  /** Starts it again on the same ports and data, after ending it in good order if it runs. Resolves when it is ready. */
  restart(): Promise<void>;
}

const startTimeoutMs = 120_000;
const stopTimeoutMs = 30_000;

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function choosePorts(wanted: Partial<PulsarPorts> = {}): Promise<PulsarPorts> {
  const [broker = 0, web = 0, bookie = 0, brokerTls = 0] = await freePorts(4);
  return { broker, web, bookie, brokerTls, ...wanted };
}

async function writeSettings(options: PulsarOptions, ports: PulsarPorts, directory: string, bindAddress: string): Promise<void> {
  const own = typeof options.config === 'function' ? options.config(ports, directory) : options.config;
  const tls: Record<string, string> =
    options.tls === undefined
      ? {}
      : {
          brokerServicePortTls: String(ports.brokerTls),
          tlsCertificateFilePath: options.tls.certificate,
          tlsKeyFilePath: options.tls.key,
          tlsTrustCertsFilePath: options.tls.ca,
        };
  const settings = {
    brokerServicePort: String(ports.broker),
    webServicePort: String(ports.web),
    bindAddress,
    // With listeners of its own a broker takes no single address.
    ...(own?.['advertisedListeners'] === undefined ? { advertisedAddress: '127.0.0.1' } : {}),
    ...tls,
    ...own,
  };
  const base = await readFile(join(settingsFolder, 'standalone.conf'), 'utf8');
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  await writeFile(join(directory, 'standalone.conf'), `${base}\n${lines.join('\n')}\n`);
}

async function isReady(adminUrl: string, headers: Readonly<Record<string, string>>): Promise<boolean> {
  for (const path of ['/admin/v2/brokers/health', '/admin/v2/namespaces/public/default']) {
    const answer = await fetch(adminUrl + path, { headers, signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
    await answer?.arrayBuffer().catch(() => undefined);
    if (answer?.ok !== true) return false;
  }
  return true;
}

/**
 * Starts a Pulsar standalone broker on loopback and resolves when it serves `public/default`: some 10 seconds. It dies with
 * this process unless `detached`. Rejects with the end of its log if it does not come up.
 */
export async function startPulsar(options: PulsarOptions = {}): Promise<PulsarBroker> {
  const ports = await choosePorts(options.ports);
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'paystream-pulsar-')));
  await mkdir(directory, { recursive: true });
  const { heapMb = 512, directMemoryMb = 768, logLevel = 'warn', quickStart = false } = options;
  const used = { broker: ports.broker, web: ports.web, bookie: ports.bookie, ...(options.tls && { brokerTls: ports.brokerTls }) };
  const launch = await launchOf({ directory, ports: used, heapMb, directMemoryMb, logLevel, quickStart });
  await writeSettings(options, ports, directory, launch.bindAddress);
  const logFile = join(directory, 'broker.log');
  const adminUrl = `http://127.0.0.1:${ports.web}`;
  let child: ChildProcess | undefined;
  let exited: Promise<void> = Promise.resolve();

  function spawnIt(): void {
    const log = openSync(logFile, 'a');
    const supervisor = fileURLToPath(new URL('./supervise.ts', import.meta.url));
    const detached = options.detached === true;
    const { command, args, kill } = launch;
    const what = JSON.stringify({ command, args, kill, leftovers: options.directory === undefined ? directory : undefined });
    const started = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', supervisor, what], {
      cwd: directory,
      stdio: ['ignore', log, log, ...(detached ? [] : (['ipc'] as const))],
      // Not in the group of the terminal: Ctrl-C is for who started it, which stops it in its own way.
      detached: true,
    });
    closeSync(log);
    exited = new Promise((resolve) => started.once('exit', () => resolve()).once('error', () => resolve()));
    if (detached) started.unref();
    child = started;
  }

  async function waitUntilReady(): Promise<void> {
    const waitingFor = child;
    for (const end = Date.now() + startTimeoutMs; Date.now() < end; ) {
      if (await isReady(adminUrl, options.adminHeaders ?? {})) return;
      if (waitingFor?.exitCode !== null || waitingFor.signalCode !== null) break;
      await delay(200);
    }
    const log = await readFile(logFile, 'utf8').catch(() => '');
    await end('SIGKILL');
    await forgetData();
    throw new Error(`Pulsar did not come up on port ${ports.broker}; the end of its log:\n${log.slice(-4_000)}`);
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
    spawnIt();
    await waitUntilReady();
  }

  await start();
  return {
    serviceUrl: `pulsar://127.0.0.1:${ports.broker}`,
    serviceUrlTls: options.tls === undefined ? undefined : `pulsar+ssl://localhost:${ports.brokerTls}`,
    adminUrl,
    webServiceUrl: `ws://127.0.0.1:${ports.web}`,
    ports,
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
  };
}
