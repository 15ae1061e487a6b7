// The official Python client as a process that tests speak to over HTTP, installed once in the user's cache.
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../workspace.ts';
import { type ClientProcess, startClientProcess } from './client-process.ts';
import { cacheFolder, canRun, settingsFolder } from './jars.ts';

const version = '3.13.0';
const python = 'python3';

/**
 * A folder with the client and what it needs. The first call downloads some 15 MB with pip. Rejects with what to install if
 * there is no Python.
 */
export async function pythonClientModules(): Promise<string> {
  if (!(await canRun(python, '-m', 'pip', '--version'))) {
    throw new Error('The Python client of Pulsar is needed and there is no Python to run it: install Python 3.9 or later with pip');
  }
  const { stdout } = await run(python, ['-c', 'import sys; print(sys.implementation.cache_tag)']);
  const folder = join(cacheFolder(), `python-client-${version}-${stdout.trim()}`);
  const exists = (): Promise<boolean> =>
    access(folder).then(
      () => true,
      () => false,
    );
  if (await exists()) return folder;
  const work = join(cacheFolder(), `python-client-${process.pid}`);
  await mkdir(work, { recursive: true });
  try {
    const packages = [`pulsar-client==${version}`, 'fastavro==1.13.1'];
    const installed = await run(python, ['-m', 'pip', 'install', '--quiet', '--target', join(work, 'modules'), ...packages], {
      timeoutMs: 300_000,
    });
    if (installed.code !== 0) throw new Error(`pip could not install the Python client of Pulsar:\n${installed.output}`);
    // Complete or not there: another process may do the same at the same time.
    await rename(join(work, 'modules'), folder).catch(async (error: unknown) => {
      if (!(await exists())) throw error;
    });
    return folder;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Starts the Python client. Rejects with what it printed if it does not come up, and with what to install if there is no Python. */
export async function startPythonClient(): Promise<ClientProcess> {
  const modules = await pythonClientModules();
  const start = `import sys, runpy; sys.path.insert(0, sys.argv[1]); runpy.run_path(sys.argv[2])`;
  return startClientProcess('Python', python, ['-c', start, modules, join(settingsFolder, 'python', 'client.py')]);
}
