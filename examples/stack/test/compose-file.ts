import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { root } from './dockerfile.ts';

/** How often a container is asked for its health: `15s`. */
export interface ComposeHealthCheck {
  readonly test: readonly string[];
  readonly interval: string;
  readonly start_period?: string;
  readonly start_interval?: string;
}

/** What the tests look at of a service of `docker-compose.yml`. */
export interface ComposeService {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: ComposeHealthCheck;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly required?: boolean }>>;
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly restart?: string;
  readonly stop_grace_period?: string;
  readonly read_only?: boolean;
  readonly secrets?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly volumes?: readonly string[];
}

/** `docker-compose.yml`, its anchors resolved. */
export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

/** The text of a file of the repository. */
export const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');

/** A variable of a compose file: `${NAME:-default}`. */
const variable = /\$\{(\w+):-([^}]*)\}/g;

/** The names of the variables that the file asks its surroundings for. */
export function composeVariables(): ReadonlySet<string> {
  return new Set([...textOf('docker-compose.yml').matchAll(variable)].map(([, name = '']) => name));
}

/** Reads `docker-compose.yml` as it is where no variable is set. */
export function readComposeFile(): ComposeFile {
  const fill = (_: unknown, value: unknown): unknown => (typeof value === 'string' ? value.replaceAll(variable, '$2') : value);
  return parse(textOf('docker-compose.yml'), fill, { merge: true });
}

/** The file that the guide shows, which compose lays over `docker-compose.yml`. */
export function readOverrideOfGuide(): { readonly services: Readonly<Record<string, ComposeService>> } {
  const [, text = ''] = /```yaml\n(# docker-compose\.override\.yml\n.*?)```/s.exec(textOf('docs/production.md')) ?? [];
  return parse(text, { merge: true });
}

/** Something that a container has from outside, and where it has it. */
export interface Mount {
  /** A file or folder beside the compose file, or the name of a volume or secret. */
  readonly source: string;
  readonly target: string;
}

/** What is mounted into a container: volumes, files, and secrets where compose puts them. */
export function mountsOf({ volumes = [], secrets = [], tmpfs = [] }: ComposeService): readonly Mount[] {
  const from = (text: string): Mount => {
    const [source = '', target = ''] = text.split(':');
    return { source, target };
  };
  return [
    ...volumes.map(from),
    ...secrets.map((source) => ({ source, target: `/run/secrets/${source}` })),
    ...tmpfs.map((text) => ({ source: 'tmpfs', target: text.split(':')[0] ?? '' })),
  ];
}

/** A service with what another file says of it laid over, as compose does it: mappings are merged, lists with them replaced. */
export function overlaid(base: ComposeService, over: ComposeService): ComposeService {
  const environment = { ...base.environment, ...over.environment };
  return { ...base, ...over, environment, depends_on: { ...base.depends_on, ...over.depends_on } };
}
