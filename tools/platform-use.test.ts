import { describe, expect, it } from 'vitest';
import { findPlatformUse, isChecked, isForbidden } from './platform-use.ts';

const uses = (source: string): readonly string[] => findPlatformUse(source).map((use) => `${use.line} ${use.what}`);

describe('a package that takes time or chance from the platform is caught, since it could not run in simulated time', () => {
  it.each([
    ['const t = Date.now();', 'Date.now'],
    ['const now = Date.now;', 'Date.now'],
    ['const t = globalThis.Date.now();', 'Date.now'],
    ['const d = new Date();', 'new Date()'],
    ['const d = new Date;', 'new Date()'],
    ['const s = Date();', 'Date()'],
    ['performance.now();', 'performance.now'],
    ['const x = { at: Math.random() };', 'Math.random'],
    ['crypto.randomUUID();', 'crypto.randomUUID'],
    ['fetch(url, { signal: AbortSignal.timeout(5) });', 'AbortSignal.timeout'],
    ['setTimeout(f, 1);', 'setTimeout'],
    ['globalThis.setTimeout(f, 1);', 'setTimeout'],
    ['const options = { timer: setTimeout };', 'setTimeout'],
    ['const timer = setInterval;', 'setInterval'],
    ["import { randomUUID as id } from 'node:crypto';", 'randomUUID of node:crypto'],
    ["import { randomBytes } from 'crypto';", 'randomBytes of crypto'],
    ["import { setTimeout as sleep } from 'node:timers/promises';", 'setTimeout of node:timers/promises'],
    ["import timers from 'node:timers';", 'node:timers'],
    ["import * as process from 'node:process';", 'node:process'],
    ["const level = process.env['LEVEL'];", 'process.env'],
    ["process.on('SIGTERM', stop);", 'process.on'],
    ['console.log(1);', 'console'],
    ['const print = console;', 'console'],
  ])('%s', (source, what) => {
    expect(uses(`\n${source}`)).toEqual([`2 ${what}`]);
  });
});

describe('what only looks like it is left alone, so that nobody has to work around the check', () => {
  it.each([
    'const iso = new Date(clock.now()).toISOString();',
    'clock.setTimeout(f, 1);',
    'interface Timers { setTimeout(f: () => void, ms: number): void; setInterval: number }',
    'let handle: ReturnType<typeof setTimeout>;',
    "import { createHash } from 'node:crypto';",
    "import { setImmediate as turn } from 'node:timers/promises';",
    "import type { Hash, randomUUID } from 'node:crypto';",
    '// Date.now() is not used here',
    "const name = 'Math.random()';",
    'class A { setTimeout(): void { this.console(); } console(): void { return; } }',
  ])('%s', (source) => {
    expect(uses(source)).toEqual([]);
  });

  it('adapters to the platform and generated code', () => {
    expect(isChecked('packages/core/src/clock/system-clock.ts')).toBe(false);
    expect(isChecked('packages/core/src/gen/a_pb.ts')).toBe(false);
    expect(isChecked('packages/core/src/clock/sleep.ts')).toBe(true);
  });

  it('the clock and the timers of the Pulsar client, which stands alone; printing there is not', () => {
    const forbidden = (source: string): readonly string[] =>
      findPlatformUse(source)
        .filter((use) => isForbidden('packages/pulsar/src/a.ts', use))
        .map((use) => use.what);
    expect(forbidden("setTimeout(f, performance.now()); Math.random(); process.env['A'];\nconsole.log(1);")).toEqual([
      'process.env',
      'console',
    ]);
  });
});
