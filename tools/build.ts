// Builds every package with tsup, and lays out in `packages/*/.publish` what npm gets of it.
//
// The published manifest is not the one we develop with: the `paystream-source` condition, which lets tests and programs
// of this repository run from TypeScript sources, would point at files that are not in the tarball.
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packageDirectories, readManifest, root, runOrFail } from './workspace.ts';

/** The manifest as it is published: without what only this repository uses. */
function publishedManifest(directory: string): object {
  const { devDependencies: _, exports = {}, ...rest } = readManifest(directory);
  const targets = Object.entries(exports).map(([path, target]) => {
    if (typeof target === 'string') return [path, target];
    const { 'paystream-source': source, ...published } = target;
    return [path, published];
  });
  return { ...rest, exports: Object.fromEntries(targets) };
}

function stage(directory: string): void {
  const staged = join(directory, '.publish');
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(staged);
  writeFileSync(join(staged, 'package.json'), `${JSON.stringify(publishedManifest(directory), null, 2)}\n`);
  cpSync(join(root, 'LICENSE'), join(staged, 'LICENSE'));
  // Code generated from the contracts of others goes with their notices.
  if (readManifest(directory).files?.includes('third_party')) {
    for (const notice of ['README.md', 'LICENSE-Apache-2.0.txt'])
      cpSync(join(root, 'third_party', notice), join(staged, 'third_party', notice));
  }
  for (const part of ['README.md', 'CHANGELOG.md', 'dist']) {
    if (existsSync(join(directory, part))) cpSync(join(directory, part), join(staged, part), { recursive: true });
  }
}

async function build(directory: string): Promise<void> {
  const started = performance.now();
  await runOrFail('tsup', [], { cwd: directory });
  stage(directory);
  console.log(`built packages/${basename(directory)} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

// Two at a time: more would only wait for the processor on a small machine.
const waiting = [...packageDirectories()];
async function worker(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await build(next);
}
await Promise.all([worker(), worker()]);
