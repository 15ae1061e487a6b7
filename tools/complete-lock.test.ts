import { expect, it } from 'vitest';
import { completeLock } from './complete-lock.ts';

it('npm ci takes a lock whose writer did not see every platform, since the missing binaries are added as optional ones', () => {
  const { lock, added } = completeLock({
    packages: {
      'node_modules/tool': {
        version: '1.0.0',
        dev: true,
        optionalDependencies: { '@tool/linux-x64-musl': '1.0.0', '@tool/win32-arm64-msvc': '^1.0.0', '@tool/linux-x64': '1.0.0' },
      },
      'node_modules/@tool/linux-x64': { version: '1.0.0' },
    },
  });
  expect(added).toEqual(['@tool/linux-x64-musl', '@tool/win32-arm64-msvc']);
  expect(lock.packages['node_modules/@tool/linux-x64-musl']).toEqual({
    version: '1.0.0',
    cpu: ['x64'],
    dev: true,
    libc: ['musl'],
    optional: true,
    os: ['linux'],
  });
  expect(lock.packages['node_modules/@tool/win32-arm64-msvc']).toMatchObject({ version: '1.0.0', cpu: ['arm64'], os: ['win32'] });
});

it('a nested copy counts as locked, so that no second one is added', () => {
  const packages = {
    'node_modules/a/node_modules/tool': { optionalDependencies: { 'x-linux-x64': '1.0.0' } },
    'node_modules/a/node_modules/x-linux-x64': { version: '1.0.0' },
  };
  expect(completeLock({ packages }).added).toEqual([]);
});

it('an optional dependency that is no platform binary is an error, not a wrong entry', () => {
  const packages = { 'node_modules/tool': { optionalDependencies: { fsevents2: '1.0.0' } } };
  expect(() => completeLock({ packages })).toThrow('fsevents2');
});
