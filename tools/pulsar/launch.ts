// How the broker's process is started: Java where there is a JDK or JRE, a container where there is only an engine.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { canRun, hasJars, pulsarJars, pulsarVersion, settingsFolder } from './jars.ts';
import { sharedClasses } from './shared-classes.ts';

/** A command that starts a broker in the foreground. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** Ends it at once, where killing the command is not enough. */
  readonly kill?: readonly string[];
  /** The address that the broker must listen on. */
  readonly bindAddress: string;
}

/** What a broker needs to know to start. */
export interface LaunchOptions {
  /** Holds `standalone.conf` and all data. */
  readonly directory: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly heapMb: number;
  readonly directMemoryMb: number;
  /** Level of the broker's own log. */
  readonly logLevel: string;
  readonly quickStart: boolean;
  /** The name that it tells clients; with listeners of its own it takes none. */
  readonly advertisedAddress: string | undefined;
  /** More options for Java. Default: the archive of classes, if there is one. */
  readonly javaOptions: readonly string[] | undefined;
}

const opened = ['sun.net', 'java.nio', 'jdk.internal.misc', 'jdk.internal.platform', 'java.lang', 'java.util.zip'];

/** How the image of Pulsar starts a broker, and where it takes the options of Java for its memory from. */
export const pulsarImage = { name: 'apachepulsar/pulsar', command: ['bin/pulsar', 'standalone'], memory: 'PULSAR_MEM' } as const;

/** How much memory a broker takes. */
export const memoryOptions = (firstHeapMb: number, heapMb: number, directMemoryMb: number): readonly string[] => [
  `-Xms${firstHeapMb}m`,
  `-Xmx${heapMb}m`,
  `-XX:MaxDirectMemorySize=${directMemoryMb}m`,
];

/** What a broker on its own leaves out, and the name that it tells clients. */
export const standaloneOptions = (advertisedAddress?: string): readonly string[] => [
  ...['--no-functions-worker', '--no-stream-storage'],
  ...(advertisedAddress === undefined ? [] : ['--advertised-address', advertisedAddress]),
];

function standaloneArgs({ directory, ports, advertisedAddress }: LaunchOptions): string[] {
  return [
    ...['--config', join(directory, 'standalone.conf'), ...standaloneOptions(advertisedAddress)],
    ...['--metadata-dir', join(directory, 'metadata'), '--bookkeeper-dir', join(directory, 'bookkeeper')],
    ...['--bookkeeper-port', String(ports['bookie'])],
  ];
}

async function javaLaunch(options: LaunchOptions): Promise<Launch> {
  const { directory, heapMb, directMemoryMb, logLevel, quickStart } = options;
  const jars = await pulsarJars();
  return {
    command: 'java',
    bindAddress: '127.0.0.1',
    args: [
      ...[...memoryOptions(128, heapMb, directMemoryMb), '-XX:+UseG1GC', '-XX:+ExitOnOutOfMemoryError'],
      ...(quickStart ? ['-XX:TieredStopAtLevel=1'] : []),
      ...(options.javaOptions ?? (await sharedClasses())),
      ...opened.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
      '--add-opens=java.management/sun.management=ALL-UNNAMED',
      ...['-Dio.netty.tryReflectionSetAccessible=true', '-Dpulsar.allocator.leak_detection=Disabled'],
      `-Dpaystream.log=${logLevel}`,
      ...[`-Dlog4j2.configurationFile=${join(settingsFolder, 'log4j2.xml')}`, `-Djava.io.tmpdir=${directory}`],
      ...['-cp', join(jars, '*'), 'org.apache.pulsar.PulsarStandaloneStarter', ...standaloneArgs(options)],
    ],
  };
}

function dockerLaunch(options: LaunchOptions): Launch {
  const { directory, ports, heapMb, directMemoryMb } = options;
  const name = `paystream-pulsar-${ports['broker']}`;
  const published = Object.values(ports).flatMap((port) => ['-p', `127.0.0.1:${port}:${port}`]);
  const user = process.getuid === undefined ? [] : ['--user', `${process.getuid()}:0`];
  return {
    command: 'docker',
    bindAddress: '0.0.0.0',
    kill: ['docker', 'kill', name],
    args: [
      ...['run', '--rm', '--init', '--name', name, ...user, ...published, '-v', `${directory}:${directory}`, '-w', '/pulsar'],
      ...['-e', `${pulsarImage.memory}=${memoryOptions(128, heapMb, directMemoryMb).join(' ')}`],
      ...[`${pulsarImage.name}:${pulsarVersion}`, ...pulsarImage.command, ...standaloneArgs(options)],
    ],
  };
}

/** How to start a broker on this machine. Rejects with what to install if it cannot be done. */
export async function launchOf(options: LaunchOptions): Promise<Launch> {
  await mkdir(options.directory, { recursive: true });
  const java = await canRun('java', '-version');
  if (java && (await hasJars())) return javaLaunch(options);
  if (await canRun('docker', 'info')) return dockerLaunch(options);
  throw new Error(
    'Pulsar needs Java 17 or later with Maven, or a Docker engine, and neither is here: install one of them and run this again',
  );
}
