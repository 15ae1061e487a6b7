import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Report } from '../src/load/report.ts';
import { createStackProcess, type StackProcess } from './stack-process.ts';

const program = join(import.meta.dirname, '..', 'orders.ts');
let stack: StackProcess;
beforeAll(async () => {
  stack = await createStackProcess({ PAYSTREAM_GATEWAY_LATENCY_MS: '5' });
  await stack.start();
});
afterAll(() => stack?.[Symbol.asyncDispose]());

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `npm run orders -- …`, as a shell or a script runs it. */
function orders(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['--conditions=paystream-source', program, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

it('places orders and ends with 0 and a report that a script can read', async () => {
  const ended = await orders('--target', stack.grpc, '--count', '40', '--json');
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const report = JSON.parse(ended.stdout) as Report;
  expect(report).toMatchObject({ placed: { accepted: 40, refused: 0, states: { PAID: 40 } }, books: { charges: 40 }, faults: [] });
  expect(report.placed?.acceptMs.p50).toBeGreaterThan(0);
});

it('counts what was declined, which is no failure', async () => {
  const { code, stdout } = await orders('--target', stack.grpc, '--count', '3', '--payment', 'pm_card_declined');
  expect(stdout).toMatch(/declined +3\n/);
  expect(stdout).toMatch(/The books are right\.\n$/);
  expect(code).toBe(0);
});

it('ends with 1 where orders were refused', async () => {
  const { code, stdout } = await orders('--target', stack.grpc, '--count', '3', '--merchant', 'nobody');
  expect(stdout).toContain('3 × NOT_FOUND UNKNOWN_MERCHANT');
  expect(code).toBe(1);
});

it('checks the books without placing any', async () => {
  const verify = ['--target', stack.grpc, '--verify', '--json'];
  const [first, second] = [JSON.parse((await orders(...verify)).stdout) as Report, await orders(...verify)];
  expect(first.placed).toBeUndefined();
  expect(JSON.parse(second.stdout)).toEqual(first);
  expect(second.code).toBe(0);
});

it.each([
  ['--help', 0, /npm run orders -- \[options\]/, ''],
  ['--cuont', 2, '', /--cuont.*\n.*--help/],
  ['--target=127.0.0.1:1', 2, '', /No stack answers at 127\.0\.0\.1:1.*\n.*npm start/],
])('with %s ends with %i, and says so in the right place', async (option, code, stdout, stderr) => {
  const ended = await orders(option);
  expect(ended.code).toBe(code);
  expect(ended.stdout).toMatch(stdout === '' ? /^$/ : stdout);
  expect(ended.stderr).toMatch(stderr === '' ? /^$/ : stderr);
});
