// What the tests on a real Pulsar need and this repository does not bring, fetched once into the user's cache.
import { run } from '../workspace.ts';
import { startPulsar } from './broker.ts';
import { canRun, pulsarJars } from './jars.ts';
import { pythonClientModules } from './python-client.ts';
import { makeSharedClasses } from './shared-classes.ts';

async function jdk(): Promise<string> {
  const { output } = await run('javac', ['-version']).catch(() => ({ output: 'there is none' }));
  const version = Number(/javac (\d+)/.exec(output)?.[1] ?? 0);
  if (version < 17) throw new Error(`the broker and the Java client of Pulsar need a JDK of version 17 or later: ${output.trim()}`);
  return output.trim();
}

async function openssl(): Promise<string> {
  if (!(await canRun('openssl', 'version'))) throw new Error('the broker with TLS needs certificates: install openssl, and run this again');
  return (await run('openssl', ['version'])).output.trim();
}

const sharedClasses = (): Promise<string> =>
  makeSharedClasses(async (directory, javaOptions) => {
    const broker = await startPulsar({ directory, javaOptions });
    await broker.stop();
  });

/** Each part, with what it takes to have it: resolves with where it is, rejects with what to install. */
export const pulsarParts: Readonly<Record<string, () => Promise<string>>> = {
  JDK: jdk,
  'Pulsar broker and Java client': pulsarJars,
  'Classes of the broker, in one archive': sharedClasses,
  'Python client of Pulsar': pythonClientModules,
  openssl,
};
