// The official Java client as a process that tests speak to over HTTP.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pulsarJars, settingsFolder } from './jars.ts';

/** A Java client that runs. */
export interface JavaClientProcess {
  /** Where it takes requests: see `java/JavaClient.java`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts the Java client, which takes some seconds. Rejects with what it printed if it does not come up. */
export async function startJavaClient(): Promise<JavaClientProcess> {
  const jars = await pulsarJars();
  const opened = ['java.lang', 'java.nio', 'sun.net', 'jdk.internal.misc'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`);
  const log = `-Dlog4j2.configurationFile=${join(settingsFolder, 'log4j2.xml')}`;
  const args = ['-Xmx384m', ...opened, log, '-cp', join(jars, '*'), join(settingsFolder, 'java', 'JavaClient.java')];
  const child = spawn('java', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', () => resolve()));
  const printed: string[] = [];
  child.stderr.on('data', (text: Buffer) => printed.splice(0, Math.max(0, printed.length - 50), text.toString()));

  const port = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    void ended.then(() => reject(new Error(`the Java client ended before it listened:\n${printed.join('')}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      printed.push(`${line}\n`);
      const [, number] = /^listening on (\d+)$/.exec(line) ?? [];
      if (number !== undefined) resolve(number);
    });
  });
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
