// A real Pulsar broker with its bookie in one process: started, stopped, killed and restarted by tests and benchmarks.
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, type ServerProcess, startServerProcess } from '../servers/server-process.ts';
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

/** Settings of a broker by their names in `standalone.conf`. */
type Settings = Readonly<Record<string, string>>;

/** Options of {@link startPulsar}. */
export interface PulsarOptions {
  /** Settings of the broker, over those of `standalone.conf`. */
  readonly config?: Settings | ((ports: PulsarPorts, directory: string) => Settings);
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
  /** More options for Java, where the broker runs on one. Default: the archive of its classes, if there is one. */
  readonly javaOptions?: readonly string[];
  /** Goes on when this process ends. Default: false. */
  readonly detached?: boolean;
}

/** A broker that runs. */
export interface PulsarBroker extends ServerProcess {
  /** `pulsar://127.0.0.1:6650` */
  readonly serviceUrl: string;
  /** `pulsar+ssl://localhost:6651`; set with `tls`. */
  readonly serviceUrlTls: string | undefined;
  /** `http://127.0.0.1:8080` */
  readonly adminUrl: string;
  /** `ws://127.0.0.1:8080` */
  readonly webServiceUrl: string;
  readonly ports: PulsarPorts;
}

const startTimeoutMs = 120_000;

async function choosePorts(wanted: Partial<PulsarPorts> = {}): Promise<PulsarPorts> {
  const [broker = 0, web = 0, bookie = 0, brokerTls = 0] = await freePorts(4);
  return { broker, web, bookie, brokerTls, ...wanted };
}

async function writeSettings(
  options: PulsarOptions,
  own: Settings,
  ports: PulsarPorts,
  directory: string,
  bindAddress: string,
): Promise<void> {
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
    ...tls,
    ...own,
  };
  const base = await readFile(join(settingsFolder, 'standalone.conf'), 'utf8');
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  await writeFile(join(directory, 'standalone.conf'), `${base}\n${lines.join('\n')}\n`);
}

/** Where a broker says whether it serves. */
export const healthPath = '/admin/v2/brokers/health';

async function isReady(adminUrl: string, headers: Readonly<Record<string, string>>): Promise<boolean> {
  for (const path of [healthPath, '/admin/v2/namespaces/public/default']) {
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
  const { heapMb = 512, directMemoryMb = 768, logLevel = 'warn', quickStart = false, javaOptions } = options;
  const used = { broker: ports.broker, web: ports.web, bookie: ports.bookie, ...(options.tls && { brokerTls: ports.brokerTls }) };
  const own: Settings = (typeof options.config === 'function' ? options.config(ports, directory) : options.config) ?? {};
  const advertisedAddress = own['advertisedListeners'] === undefined ? '127.0.0.1' : undefined;
  const memory = { heapMb, directMemoryMb };
  const launch = await launchOf({ directory, ports: used, ...memory, logLevel, quickStart, javaOptions, advertisedAddress });
  await writeSettings(options, own, ports, directory, launch.bindAddress);
  const adminUrl = `http://127.0.0.1:${ports.web}`;
  const server = await startServerProcess({
    title: 'Pulsar',
    command: launch.command,
    args: launch.args,
    kill: launch.kill,
    directory,
    temporary: options.directory === undefined,
    ports: Object.values(used),
    detached: options.detached,
    isReady: () => isReady(adminUrl, options.adminHeaders ?? {}),
    startTimeoutMs,
  });
  return Object.assign(server, {
    serviceUrl: `pulsar://127.0.0.1:${ports.broker}`,
    serviceUrlTls: options.tls === undefined ? undefined : `pulsar+ssl://localhost:${ports.brokerTls}`,
    adminUrl,
    webServiceUrl: `ws://127.0.0.1:${ports.web}`,
    ports,
  });
}
