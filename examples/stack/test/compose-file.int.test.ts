import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { externalTool } from '../../../tools/external-clients.ts';
import { type ComposeService, mountsOf, readComposeFile } from './compose-file.ts';
import { root } from './dockerfile.ts';

/** A service as `docker compose` has it when everything is filled in. */
interface ResolvedService extends Pick<ComposeService, 'image' | 'command' | 'environment'> {
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly volumes?: readonly { readonly source: string; readonly target: string }[];
  readonly secrets?: readonly { readonly source: string; readonly target: string }[];
  readonly ports?: readonly { readonly host_ip: string; readonly published?: string; readonly target: number }[];
}

const compose = readComposeFile();

function resolved({ image, command, environment, healthcheck, volumes = [], secrets = [], ports = [] }: ResolvedService) {
  return {
    ...{ image, command, environment, health: healthcheck?.test },
    mounts: [...volumes, ...secrets].map(({ source, target }) => ({ source: source.replace(`${root}/`, './'), target })),
    ports: ports.map(({ host_ip, published = '', target }) => `${host_ip}:${published}:${target}`),
  };
}

/** The same of what the other tests read; compose makes one `$` of two. */
function read({ image, command, environment, healthcheck, volumes = [], secrets = [], ports = [] }: ComposeService) {
  const health = healthcheck?.test.map((word) => word.replaceAll('$$', '$'));
  return { image, command, environment, health, mounts: mountsOf({ volumes, secrets }), ports };
}

it('docker-compose.yml is read by what docker compose reads it with as the tests read it', async () => {
  const { stdout } = await promisify(execFile)(await externalTool('compose-go'), ['-format', 'json', 'docker-compose.yml'], {
    cwd: root,
    env: { PATH: process.env['PATH'] },
  });
  const { services } = JSON.parse(stdout) as { readonly services: Readonly<Record<string, ResolvedService>> };
  expect(Object.keys(services).sort()).toEqual(Object.keys(compose.services).sort());
  for (const [name, service] of Object.entries(compose.services)) expect(resolved(services[name]!), name).toEqual(read(service));
});
