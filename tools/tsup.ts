// What every package's tsup.config.ts is made of. The entry points of a package are those of its `exports`: nothing else lists them.
import { type Manifest, readManifest } from './workspace.ts';

/** Entry points by where they stand in `dist`, without the ending: `contracts/index` → `src/contracts/index.ts`. */
function sourceEntries(manifest: Manifest): Record<string, string> {
  const entries: Record<string, string> = {};
  for (const target of Object.values(manifest.exports ?? {})) {
    const source = typeof target === 'string' ? undefined : target['paystream-source'];
    if (source !== undefined) entries[source.replace(/^\.\/src\//, '').replace(/\.ts$/, '')] = source.replace(/^\.\//, '');
  }
  return entries;
}

/** The part of tsup's options that we set. Written out, since tsup 9.0.0's own declarations do not compile. */
export interface PackageBuild {
  readonly entry: Record<string, string>;
  readonly format: ['esm'];
  readonly target: string;
  readonly platform: 'node';
  /** `node:sqlite` has no other name: it must not become `sqlite`. */
  readonly removeNodeProtocol: boolean;
  readonly dts: boolean;
  readonly sourcemap: boolean;
  readonly splitting: boolean;
  readonly clean: boolean;
  readonly silent: boolean;
}

/** The build of the package in the current folder: ES modules, declarations and source maps into `dist`. */
export function packageBuild(): PackageBuild {
  return {
    entry: sourceEntries(readManifest(process.cwd())),
    format: ['esm'],
    target: 'node22',
    platform: 'node',
    removeNodeProtocol: false,
    dts: true,
    sourcemap: true,
    splitting: true,
    clean: true,
    silent: true,
  };
}
