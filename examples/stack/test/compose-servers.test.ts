// The servers of docker-compose.yml that others make: each word of them is one that the tests start such a server with, that
// another place of the file says too, or that the image is known for.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { healthPath } from '../../../tools/pulsar/broker.ts';
import { pulsarVersion } from '../../../tools/pulsar/jars.ts';
import { memoryOptions, pulsarImage, standaloneOptions } from '../../../tools/pulsar/launch.ts';
import { type ComposeService, mountsOf, readComposeFile, textOf } from './compose-file.ts';
import { root } from './dockerfile.ts';

const compose = readComposeFile();
const server = (name: string): ComposeService => compose.services[name] ?? {};
const [pulsar, mysql, prometheus] = [server('pulsar'), server('mysql'), server('prometheus')];
const users = Object.entries(compose.services).filter(([, { environment = {} }]) => 'PAYSTREAM_MYSQL_URL' in environment);
const { scrape_configs: jobs } = parse(textOf('docker/prometheus.yml'));

/** What the images keep and where they answer, by their documentation. */
const known = {
  pulsar: { data: '/pulsar/data', brokerPort: '6650', webPort: '8080' },
  mysql: { data: '/var/lib/mysql', port: '3306' },
  prometheus: { port: '9090' },
};

/** The absolute paths in some words; not those within URLs. */
const pathsIn = (words: readonly string[]): readonly string[] => words.flatMap((word) => word.match(/(?<![\w:/.-])\/[\w./-]+/g) ?? []);
const wordsOf = ({ command = [], environment = {}, healthcheck }: ComposeService): readonly string[] => [
  ...command,
  ...Object.values(environment),
  ...(healthcheck?.test ?? []),
];

it('names no path within a container but of what is mounted there', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    const targets = mountsOf(service).map(({ target }) => target);
    for (const path of pathsIn(wordsOf(service))) expect(targets, `${path} of ${name}`).toContain(path);
  }
});

describe('Pulsar', () => {
  it('is the version that tests run on, started with options that they start it with', () => {
    expect(pulsar.image).toBe(`${pulsarImage.name}:${pulsarVersion}`);
    expect(pulsar.command).toEqual([...pulsarImage.command, ...standaloneOptions('pulsar')]);
    expect(pulsar.environment).toEqual({ [pulsarImage.memory]: memoryOptions(512, 512, 512).join(' ') });
    expect(mountsOf(pulsar)).toEqual([{ source: 'pulsar-data', target: known.pulsar.data }]);
  });

  it('is asked for its health, its topics and its metrics where it answers', () => {
    const { brokerPort, webPort } = known.pulsar;
    const health = `http://127.0.0.1:${webPort}${healthPath}`;
    expect(pulsar.healthcheck?.test).toEqual(['CMD', 'curl', '--fail', '--silent', health]);
    for (const [name, { environment }] of users) expect(environment?.['PAYSTREAM_PULSAR_URL'], name).toBe(`pulsar://pulsar:${brokerPort}`);
    expect(jobs[1].static_configs[0].targets).toEqual([`pulsar:${webPort}`]);
  });
});

describe('MySQL', () => {
  const urls = new Set(users.map(([, { environment }]) => environment?.['PAYSTREAM_MYSQL_URL'] ?? ''));
  const passwordFiles = new Set(users.map(([, { environment }]) => environment?.['PAYSTREAM_MYSQL_PASSWORD_FILE'] ?? ''));
  const url = new URL([...urls][0]!);
  const [passwordFile = ''] = passwordFiles;

  it('has the database and the user that all services ask for, the same password, and is the version that tests run on', () => {
    expect([urls.size, passwordFiles.size]).toEqual([1, 1]);
    expect(url.host).toBe(`mysql:${known.mysql.port}`);
    expect(mysql.environment).toEqual({
      MYSQL_DATABASE: url.pathname.slice(1),
      MYSQL_USER: url.username,
      MYSQL_PASSWORD_FILE: passwordFile,
      MYSQL_RANDOM_ROOT_PASSWORD: 'yes',
    });
    expect(mountsOf(mysql)).toEqual([
      { source: 'mysql-data', target: known.mysql.data },
      { source: 'mysql-password', target: passwordFile },
    ]);
    expect(mysql.image).toBe(`mysql:${/The tests run on MySQL ([\d.]+) /.exec(textOf('README.md'))?.[1]}`);
  });

  it('is asked for its health over TCP, as the user of the services in their database', async () => {
    const [kind, command = '', ...more] = mysql.healthcheck?.test ?? [];
    expect([kind, more]).toEqual(['CMD-SHELL', []]);
    // Secrets lie where they would be mounted, and the client only says what it was called with.
    const secrets = mountsOf(mysql).filter(({ source }) => source in compose.secrets);
    const line = secrets.reduce(
      (text, { source, target }) => text.replaceAll(target, join(root, compose.secrets[source]!.file)),
      command.replaceAll('$$', '$'),
    );
    const folder = await mkdtemp(join(tmpdir(), 'paystream-mysql-client-'));
    await writeFile(join(folder, 'mysql'), '#!/bin/sh\nprintf "%s\\n" "$MYSQL_PWD" "$@"\n');
    await chmod(join(folder, 'mysql'), 0o755);
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', line], { env: { PATH: `${folder}:${process.env['PATH']}` } });
    await rm(folder, { recursive: true });
    const [password, ...words] = stdout.trimEnd().split('\n');
    expect(password).toBe(textOf(compose.secrets['mysql-password']!.file).trimEnd());
    expect(words).toEqual(['--host=127.0.0.1', `--user=${url.username}`, '--execute=SELECT 1', url.pathname.slice(1)]);
  });
});

describe('Prometheus', () => {
  const targetOf = (source: string) => mountsOf(prometheus).find((mount) => mount.source === source)?.target;

  it('reads the configuration that is mounted, and keeps what it stores in the volume', () => {
    expect(prometheus.image).toMatch(/^prom\/prometheus:v3\.\d+\.\d+$/);
    expect(prometheus.command).toEqual([
      `--config.file=${targetOf('./docker/prometheus.yml')}`,
      `--storage.tsdb.path=${targetOf('prometheus-data')}`,
    ]);
  });

  it('is published and asked for its health where it answers', () => {
    const { port } = known.prometheus;
    expect(prometheus.ports).toEqual([`127.0.0.1:${port}:${port}`]);
    expect(prometheus.healthcheck?.test).toEqual(['CMD', 'wget', '--quiet', '--spider', `http://127.0.0.1:${port}/-/healthy`]);
  });
});
