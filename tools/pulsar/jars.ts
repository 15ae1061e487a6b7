// The jars of the broker, from Maven Central, once, in the user's cache.
import { createHash } from 'node:crypto';
import { access, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../workspace.ts';

/** The version of the broker that tests run against. Also in pom.xml. */
export const pulsarVersion = '4.0.7';

/** Where the settings of the broker lie in the repository. */
export const settingsFolder: string = dirname(fileURLToPath(import.meta.url));

/** Where what tools need is kept between runs. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'paystream', `pulsar-${pulsarVersion}`);
}

/** Whether there is such a file or folder. */
export async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

/** Whether a command can be run at all. */
export async function canRun(command: string, ...args: readonly string[]): Promise<boolean> {
  return run(command, args, { timeoutMs: 20_000 }).then(
    ({ code }) => code === 0,
    () => false,
  );
}

async function jarsFolder(): Promise<string> {
  const pom = await readFile(join(settingsFolder, 'pom.xml'));
  return join(cacheFolder(), `jars-${createHash('sha256').update(pom).digest('hex').slice(0, 12)}`);
}

/** Whether the jars are here, or can be fetched. */
export async function hasJars(): Promise<boolean> {
  return (await exists(await jarsFolder())) || canRun('mvn', '--version');
}

/**
 * The folder of the broker's jars, the official Java client among them. The first call downloads some 235 MB with Maven.
 * Rejects with what to install if there is no Maven.
 */
export async function pulsarJars(): Promise<string> {
  const folder = await jarsFolder();
  if (await exists(folder)) return folder;
  if (!(await canRun('mvn', '--version'))) {
    throw new Error(
      'The jars of Pulsar are needed and there is no Maven to fetch them: install Maven and a JDK 17 or later, and run this again',
    );
  }
  const work = join(cacheFolder(), `fetching-${process.pid}`);
  await mkdir(work, { recursive: true });
  try {
    for (const name of ['pom.xml', 'settings.xml']) await copyFile(join(settingsFolder, name), join(work, name));
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${join(work, 'jars')}`];
    const fetched = await run('mvn', ['-q', '-B', '-s', 'settings.xml', ...goal], { cwd: work, timeoutMs: 1_200_000 });
    if (fetched.code !== 0) throw new Error(`Maven could not fetch the jars of Pulsar ${pulsarVersion}:\n${fetched.output}`);
    // Complete or not there: another process may do the same at the same time.
    await rename(join(work, 'jars'), folder).catch(async (error: unknown) => {
      if (!(await exists(folder))) throw error;
    });
    await writeFile(join(cacheFolder(), 'README'), 'Jars of Apache Pulsar for tests. Safe to delete: fetched again when needed.\n');
    return folder;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
