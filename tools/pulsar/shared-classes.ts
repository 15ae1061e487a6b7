// The classes of the broker as one archive that Java maps into memory: with it a broker starts in half the time.
import { createHash } from 'node:crypto';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { run } from '../workspace.ts';
import { cacheFolder, exists, pulsarJars } from './jars.ts';

/** Where the archive for these jars and the Java that is here is kept. Java passes over one that is not of its own making. */
async function archiveFile(): Promise<string> {
  const { output } = await run('java', ['-version']);
  const what = createHash('sha256')
    .update(`${basename(await pulsarJars())} ${output}`)
    .digest('hex');
  return join(cacheFolder(), `classes-${what.slice(0, 12)}.jsa`);
}

/** What tells Java to use the archive: nothing where none has been made. */
export async function sharedClasses(): Promise<readonly string[]> {
  const file = await archiveFile();
  return (await exists(file)) ? [`-XX:SharedArchiveFile=${file}`] : [];
}

/**
 * Makes the archive if there is none, in some 20 seconds: `runOnce` starts a broker with more options for Java, and ends it in good
 * order. Brokers do without one that a Java does not make, and start slower. Resolves with what there is.
 */
export async function makeSharedClasses(runOnce: (directory: string, javaOptions: readonly string[]) => Promise<void>): Promise<string> {
  const file = await archiveFile();
  if (await exists(file)) return file;
  const directory = await mkdtemp(join(tmpdir(), 'paystream-pulsar-classes-'));
  // In the same folder: it is renamed when it is whole.
  const made = `${file}.${process.pid}`;
  try {
    await runOnce(directory, [`-XX:ArchiveClassesAtExit=${made}`]);
    if (!(await exists(made))) return 'none: this Java made no archive, so brokers start slower';
    await rename(made, file);
  } finally {
    await rm(directory, { recursive: true, force: true });
    await rm(made, { force: true });
  }
  return file;
}
