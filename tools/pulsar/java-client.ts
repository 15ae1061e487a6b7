// The official Java client as a process that tests speak to over HTTP.
import { join } from 'node:path';
import { type ClientProcess, startClientProcess } from './client-process.ts';
import { pulsarJars, settingsFolder } from './jars.ts';

/** Starts the Java client, which takes some seconds. Rejects with what it printed if it does not come up. */
export async function startJavaClient(): Promise<ClientProcess> {
  const jars = await pulsarJars();
  const opened = ['java.lang', 'java.nio', 'sun.net', 'jdk.internal.misc'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`);
  const log = `-Dlog4j2.configurationFile=${join(settingsFolder, 'log4j2.xml')}`;
  const args = ['-Xmx384m', ...opened, log, '-cp', join(jars, '*'), join(settingsFolder, 'java', 'JavaClient.java')];
  return startClientProcess('Java', 'java', args);
}
