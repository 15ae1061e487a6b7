// Programs that others wrote and that our tests drive the system with. They are built once with Go, at the versions given
// here, into the user's cache.
import { constants } from 'node:fs';
import { access, mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { run } from './workspace.ts';

/** A program that tests drive the system with. `compose-go` reads compose files as `docker compose` does, without an engine. */
export type ExternalTool = 'compose-go' | 'curl' | 'ghz' | 'grpcurl';

const goPackages: Readonly<Partial<Record<ExternalTool, { readonly path: string; readonly version: string }>>> = {
  'compose-go': { path: 'github.com/compose-spec/compose-go/v2/cmd', version: 'v2.16.2' },
  ghz: { path: 'github.com/bojand/ghz/cmd/ghz', version: 'v0.93.0' },
  grpcurl: { path: 'github.com/fullstorydev/grpcurl/cmd/grpcurl', version: 'v1.9.4' },
};
const suffix = process.platform === 'win32' ? '.exe' : '';

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, name + suffix);
    if (folder !== '' && (await isExecutable(file))) return file;
  }
  return undefined;
}

async function buildWithGo(name: ExternalTool, source: { readonly path: string; readonly version: string }): Promise<string> {
  const caches = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const folder = join(caches, 'paystream', `${name}-${source.version}`);
  const file = join(folder, name + suffix);
  if (await isExecutable(file)) return file;
  const go = await onPath('go');
  if (go === undefined) {
    const own = await onPath(name);
    if (own !== undefined) return own;
    throw new Error(
      `${name} is needed and neither it nor Go is on the PATH: install Go 1.25 or later (https://go.dev/dl) and run this again`,
    );
  }
  await mkdir(folder, { recursive: true });
  const built = await run(go, ['install', `${source.path}@${source.version}`], { cwd: folder, env: { GOBIN: folder } });
  if (built.code !== 0) throw new Error(`cannot build ${name} ${source.version} with Go:\n${built.output}`);
  // Go names a program after the folder of its source.
  await rename(join(folder, basename(source.path) + suffix), file);
  return file;
}

/** The path of a program, which is built first if it is not there. Rejects with what to install if that cannot be done. */
export async function externalTool(name: ExternalTool): Promise<string> {
  const source = goPackages[name];
  if (source !== undefined) return buildWithGo(name, source);
  const file = await onPath(name);
  if (file === undefined) throw new Error(`${name} is needed and is not on the PATH: install it with your system's package manager`);
  return file;
}
