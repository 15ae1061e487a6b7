// Fails if committed code generated from contracts is not what the generator makes of them now.
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runOrFail } from './workspace.ts';

const generations = [
  { template: 'buf.gen.yaml', source: 'proto', target: 'packages/core/src/gen' },
  { template: 'buf.gen.pulsar.yaml', source: 'packages/pulsar/proto', target: 'packages/pulsar/src/gen' },
];

function contents(base: string, target: string): ReadonlyMap<string, string> {
  return new Map(globSync(`${target}/**/*.ts`, { cwd: base }).map((path) => [path, readFileSync(join(base, path), 'utf8')]));
}

for (const { template, source, target } of generations) {
  const scratch = await mkdtemp(join(tmpdir(), 'paystream-gen-'));
  try {
    await runOrFail('buf', ['generate', '--template', template, '-o', scratch]);
    const committed = contents(root, target);
    const fresh = contents(scratch, target);
    if (fresh.size === 0) throw new Error(`the generator wrote nothing to ${target}`);
    const paths = [...new Set([...committed.keys(), ...fresh.keys()])].sort();
    const different = paths.filter((path) => committed.get(path) !== fresh.get(path));
    for (const path of different) console.error(`${path} is not in step with ${source}`);
    if (different.length > 0) {
      console.error('run `npm run gen` and commit what it writes');
      process.exitCode = 1;
    } else console.log(`${target}: ${fresh.size} files are in step`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
