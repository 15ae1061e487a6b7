// Adds to package-lock.json the optional platform packages that it misses.
//
// npm leaves a platform's binary out of the lock if the registry that wrote it did not serve that binary; `npm ci` then
// refuses the lock everywhere. Name and version stand in the parent's optionalDependencies; the rest of the entry follows
// from the name. Run it after `npm install` changed the lock: `npm run lock`.
import { readFileSync, writeFileSync } from 'node:fs';

interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, LockEntry>>;
}

const systems: readonly string[] = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors: Readonly<Record<string, string>> = {
  arm: 'arm',
  arm64: 'arm64',
  armv7: 'arm',
  ia32: 'ia32',
  loong64: 'loong64',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  x64: 'x64',
};

/** Whether `dependency`, asked for by the package at `path`, is in the lock: beside it or at any level above. */
function isLocked(lock: Lock, path: string, dependency: string): boolean {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (lock.packages[`${at === '' ? '' : `${at}/`}node_modules/${dependency}`] !== undefined) return true;
    if (at === '') return false;
  }
}

/** The entry of a platform package that could not be read: what npm needs to know that it is for another machine. */
function platformEntry(name: string, version: string, dev: boolean): LockEntry | undefined {
  const words = name.slice(name.lastIndexOf('/') + 1).split('-');
  const os = systems.find((system) => words.includes(system));
  if (os === undefined) return undefined;
  const cpu = words.map((word) => processors[word]).find((known) => known !== undefined);
  const musl = words.some((word) => word.startsWith('musl'));
  return {
    version,
    ...(cpu === undefined ? {} : { cpu: [cpu] }),
    ...(dev ? { dev: true } : {}),
    ...(musl ? { libc: ['musl'] } : {}),
    optional: true,
    os: [os],
  };
}

/** The lock with its missing platform packages, and their names. */
export function completeLock(lock: Lock): { readonly lock: Lock; readonly added: readonly string[] } {
  const packages: Record<string, LockEntry> = { ...lock.packages };
  const added: string[] = [];
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isLocked(lock, path, name)) continue;
      const stub = platformEntry(name, range.replace(/^[^\d]*/, ''), entry.dev === true);
      if (stub === undefined)
        throw new Error(`${name} (optional dependency of ${path}) is not in the lock, and its name tells no platform`);
      packages[`node_modules/${name}`] = stub;
      added.push(name);
    }
  }
  const sorted = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { lock: { ...lock, packages: sorted }, added };
}

if (import.meta.main) {
  const file = new URL('../package-lock.json', import.meta.url);
  const { lock, added } = completeLock(JSON.parse(readFileSync(file, 'utf8')) as Lock);
  const checking = process.argv.includes('--check');
  if (added.length > 0 && checking) process.exitCode = 1;
  else if (added.length > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(added.length === 0 ? 'the lock is complete' : `${checking ? 'missing from' : 'added to'} the lock: ${added.join(', ')}`);
}
