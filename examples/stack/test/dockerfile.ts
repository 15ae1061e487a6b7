import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The repository's folder: what the image is built from. */
export const root: string = join(import.meta.dirname, '../../..');

/** One line of a Dockerfile, such as `COPY --from=build /app /app`. */
export interface Instruction {
  readonly name: string;
  /** Its `--name=value` options. */
  readonly options: Readonly<Record<string, string>>;
  /** What stands behind the options, as it is written. */
  readonly rest: string;
}

/** From one `FROM` to the next. */
export interface Stage {
  readonly image: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** The stages of the Dockerfile. Knows the forms that ours has. */
export function readDockerfile(): readonly Stage[] {
  const lines = readFileSync(join(root, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ').split('\n');
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  for (const line of lines) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [name = '', ...words] = line.trim().split(/\s+/);
    if (name === 'FROM') {
      stages.push({ image: words[0] ?? '', name: words[1] === 'AS' ? words[2] : undefined, instructions: [] });
      continue;
    }
    const given = words.slice(
      0,
      words.findIndex((word) => !word.startsWith('--')),
    );
    const options = Object.fromEntries(
      given.map((option) => [option.slice(2, option.indexOf('=')), option.slice(option.indexOf('=') + 1)]),
    );
    stages.at(-1)?.instructions.push({ name, options, rest: words.slice(given.length).join(' ') });
  }
  return stages;
}

/** What the finished image is told of itself. */
export interface ImageSettings {
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string;
  readonly ports: readonly number[];
  readonly entrypoint: readonly string[];
  readonly health: readonly string[];
  readonly stopSignal: string;
}

/** The settings of the last stage. Commands must be in their exec form: a shell would keep signals to itself. */
export function imageSettings(stage: Stage): ImageSettings {
  const last = (name: string): string => stage.instructions.findLast((instruction) => instruction.name === name)?.rest ?? '';
  const pairs = stage.instructions.filter(({ name }) => name === 'ENV').flatMap(({ rest }) => rest.split(' '));
  return {
    environment: Object.fromEntries(pairs.map((pair) => pair.split('=', 2))),
    user: last('USER'),
    ports: last('EXPOSE').split(' ').map(Number),
    entrypoint: JSON.parse(last('ENTRYPOINT')),
    health: JSON.parse(last('HEALTHCHECK').replace(/^CMD /, '')),
    stopSignal: last('STOPSIGNAL'),
  };
}

/** A pattern of `.dockerignore`, whose stars stand for names with a dot in front too. */
function patternOf(glob: string): RegExp {
  const parts = glob.split(/(\*\*\/|\*)/).map((part) => {
    if (part === '**/') return '(.*/)?';
    return part === '*' ? '[^/]*' : part.replaceAll('.', '\\.');
  });
  return new RegExp(`^${parts.join('')}$`);
}

/** Whether a path of the repository reaches the build: the last line of `.dockerignore` that fits it, or a folder above it, decides. */
export function readDockerignore(): (path: string) => boolean {
  const lines = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
  const rules = lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ pattern: patternOf(line.replace(/^!/, '')), reaches: line.startsWith('!') }));
  return (path) => {
    const names = path.split('/');
    const paths = names.map((_, index) => names.slice(0, index + 1).join('/'));
    return rules.findLast(({ pattern }) => paths.some((one) => pattern.test(one)))?.reaches ?? true;
  };
}

/** The files of a path of the repository that reach the build. */
export function buildFiles(path: string): readonly string[] {
  const reaches = readDockerignore();
  const skipped = new Set(['node_modules', '.git', '.doc-code', 'dist', '.publish']);
  const found = globSync([path, `${path}/**`], { cwd: root, withFileTypes: true, exclude: ({ name }) => skipped.has(name) });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .replaceAll('\\', '/'),
    )
    .filter(reaches);
}
