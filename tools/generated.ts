// Fails if the committed code generated from `proto/` is not what the generator makes of it now.
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runOrFail } from './workspace.ts';

const target = 'packages/core/src/gen';

function contents(base: string): ReadonlyMap<string, string> {
  return new Map(globSync(`${target}/**/*.ts`, { cwd: base }).map((path) => [path, readFileSync(join(base, path), 'utf8')]));
}

const scratch = await mkdtemp(join(tmpdir(), 'paystream-gen-'));
try {
  await runOrFail('buf', ['generate', '-o', scratch]);
  const committed = contents(root);
  const fresh = contents(scratch);
  if (fresh.size === 0) throw new Error(`the generator wrote nothing to ${target}`);
  const paths = [...new Set([...committed.keys(), ...fresh.keys()])].sort();
  const different = paths.filter((path) => committed.get(path) !== fresh.get(path));
  for (const path of different) console.error(`${path} is not in step with proto/`);
  if (different.length > 0) {
    console.error('run `npm run gen` and commit what it writes');
    process.exitCode = 1;
  } else console.log(`${fresh.size} files are in step`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
