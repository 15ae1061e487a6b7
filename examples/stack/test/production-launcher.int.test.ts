import { exec } from 'node:child_process';
import { join } from 'node:path';
import { promisify, stripVTControlCharacters } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { createLauncherProcess, runs } from './stack-process.ts';
import { openMysql, openNamespace, refusalOf, type TestMysql, type TestNamespace } from './test-support.ts';

const root = join(import.meta.dirname, '../../..');
const key = 'of-the-operators';

let pulsar: TestNamespace;
let mysql: TestMysql;
beforeAll(async () => {
  [pulsar, mysql] = [await openNamespace('mortal'), await openMysql('mysql')];
});

const settings = (): Record<string, string> => ({
  PAYSTREAM_PROFILE: 'production',
  PAYSTREAM_PULSAR_URL: pulsar.serviceUrl,
  PAYSTREAM_PULSAR_NAMESPACE: pulsar.namespace,
  PAYSTREAM_MYSQL_URL: mysql.url,
  PAYSTREAM_TABLE_PREFIX: 'launcher_',
  PAYSTREAM_API_KEYS: `${key}=*`,
  PAYSTREAM_GATEWAY_KEY: key,
  PAYSTREAM_GATEWAY_LATENCY_MS: '5',
});

it('tells people to run what its services take, and leaves none of them behind when it is asked to stop', async () => {
  await using launcher = await createLauncherProcess(settings(), ['--replicas', 'order=2']);
  await launcher.start();
  const printed = stripVTControlCharacters(launcher.output);
  const pids = [...printed.matchAll(/│ (\d+) +│$/gm)].map(([, pid]) => Number(pid));
  expect(pids, printed).toHaveLength(7);
  expect(pids.filter(runs)).toEqual(pids);

  const [, command = ''] = /^ {2}(npm run orders -- .*)$/m.exec(printed) ?? [];
  const { stdout } = await promisify(exec)(command.replace('YOUR_KEY', key), { cwd: root });
  expect(stdout).toMatch(/The books are right\.\n$/);

  expect(await launcher.stop(), launcher.output).toBe(0);
  expect(launcher.output).not.toMatch(/ was killed| is started again/);
  expect(pids.filter(runs)).toEqual([]);
});

it('says in one message which service does not start, and why', async () => {
  const output = await refusalOf({ ...settings(), PAYSTREAM_MYSQL_PASSWORD: 'hunter2' }, createLauncherProcess);
  expect(output).toMatch(/^PaystreamError \[\w+\] MYSQL_CREDENTIALS_REFUSED: logger-1 did not start: /);
  for (const other of ['SERVICE_FAILED', 'hunter2', new URL(mysql.url).password]) expect(output).not.toContain(other);
  expect(output.match(/PaystreamError/g)).toHaveLength(1);
});
