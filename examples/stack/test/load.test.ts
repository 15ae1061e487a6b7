import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@paystream/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { connectionAdvice } from '../src/load/advice.ts';
import { createBookReader, faultsIn } from '../src/load/books.ts';
import { readLoadOptions } from '../src/load/options.ts';
import { placeOrders } from '../src/load/place.ts';
import { createReport, formatReport } from '../src/load/report.ts';
import { startStack } from '../src/stack.ts';
import { createTestStack, type TestStack } from './test-stack.ts';

describe('the options of npm run orders', () => {
  it('have defaults that fit a stack that was just started', () => {
    expect(readLoadOptions([])).toMatchObject({ count: 100, concurrency: 16, target: '127.0.0.1:50051', verify: false });
  });

  it.each([
    [{ PAYSTREAM_GRPC_PORT: '50999' }, '127.0.0.1:50999'],
    [{ PAYSTREAM_HOST: '0.0.0.0', PAYSTREAM_GRPC_PORT: '' }, '127.0.0.1:50051'],
    [{ PAYSTREAM_HOST: '10.0.0.7' }, '10.0.0.7:50051'],
    [{ PAYSTREAM_HOST: '::1' }, '[::1]:50051'],
  ])('look for the stack where the settings say that it listens: %o', (environment, target) => {
    expect(readLoadOptions([], environment).target).toBe(target);
    expect(readLoadOptions(['--target', 'other:1'], environment).target).toBe('other:1');
  });

  it('are refused where they place orders and --verify places none', () => {
    expect(() => readLoadOptions(['--verify', '--count', '200', '--merchant', 'merchant-2'])).toThrow(
      /^--count 200: --verify places no orders.*\n--merchant merchant-2: --verify places no orders/,
    );
    expect(readLoadOptions(['--verify', '--timeout', '5'])).toMatchObject({ verify: true, timeout: 5 });
  });

  it('know from the settings whether old log entries are removed, which makes fewer of them no fault', () => {
    expect(readLoadOptions([])['logs-removed']).toBe(false);
    expect(readLoadOptions([], { PAYSTREAM_LOG_RETENTION_DAYS: '' })['logs-removed']).toBe(false);
    expect(readLoadOptions([], { PAYSTREAM_LOG_RETENTION_DAYS: '30' })['logs-removed']).toBe(true);
    expect(readLoadOptions(['--logs-removed'])['logs-removed']).toBe(true);
  });

  it.each([
    ['one that there is not', ['--cuont', '3'], /Unknown option '--cuont'/],
    ['one without its value', ['--count'], /--count <value>/],
    ['a word too many', ['more'], /Unexpected argument 'more'/],
    ['numbers out of range', ['--count', '0', '--concurrency', '1.5'], /--count 0: must be a whole number.*\n--concurrency 1\.5: /],
    ['an address without a port', ['--target', 'localhost'], /--target localhost: must be HOST:PORT/],
    ['a service that keeps no books', ['--at', 'order=h:1'], /--at order=h:1: must be pairs such as payment=HOST:PORT/],
  ])('are refused with what is wrong and where to look: %s', (_what, args, message) => {
    expect(() => readLoadOptions(args)).toThrow(message);
    expect(() => readLoadOptions(args)).toThrow(/--help/);
  });

  it('show no key that no call could carry', () => {
    expect(() => readLoadOptions(['--api-key', 'hunter\n2'])).toThrow(/^--api-key \(secret\): must be printable ASCII without blanks/);
  });
});

describe('npm run orders', () => {
  let stack: TestStack;
  const options = (...args: readonly string[]) => readLoadOptions(['--target', stack.grpc, '--api-key', 'k-all', ...args]);
  beforeAll(async () => {
    stack = await createTestStack({ PAYSTREAM_API_KEYS: 'k-one=merchant-1,k-all=*', PAYSTREAM_GATEWAY_LATENCY_MS: '5' });
  });
  afterAll(() => stack?.[Symbol.asyncDispose]());

  it('sells what each merchant has, and reports a run whose books are right', async () => {
    for (const merchant of ['merchant-1', 'merchant-2', 'merchant-3']) {
      const placed = await placeOrders(options('--count', '6', '--merchant', merchant), () => undefined);
      expect(placed).toMatchObject({ accepted: 6, refused: 0, unfinished: 0, notTried: 0, states: { PAID: 6 }, errors: {} });
    }
    const books = await stack.books();
    expect(Object.keys(books.ledgerSums)).toEqual(['EUR', 'JPY', 'USD']);
    const left = (paid: number) => ({ ...books, businessEntries: { ...books.businessEntries, 'order.paid': paid } });
    expect(faultsIn(left(7))).toEqual(['log entries of order.paid: 7, expected 18']);
    expect(faultsIn(left(7), true)).toEqual([]);
    expect(faultsIn(left(19), true)).toEqual(['log entries of order.paid: 19, expected 18']);
    expect(faultsIn({ ...books, uncheckedAccounts: ['merchant-1/EUR'] })).toEqual([
      'unchecked account merchant-1/EUR: it is booked all the time or does not add up, and the statement that tells which failed',
    ]);
    const text = formatReport(createReport(undefined, books, faultsIn(books)));
    expect(text).toMatch(/^The books, of all orders so far\n {2}charges in the gateway’s book {2}18 /);
    expect(text).toMatch(/The books are right\.$/);
  });

  it('counts what was refused, says why, and shows no figure that there is not', async () => {
    const placed = await placeOrders(options('--count', '3', '--merchant', 'merchant-0'), () => undefined);
    const text = formatReport(createReport(placed, await stack.books(), ['orders charged twice: 1, expected 0']));
    expect(text).toContain('3 × NOT_FOUND UNKNOWN_MERCHANT: there is no merchant "merchant-0"');
    expect(text).toMatch(/refused +3/);
    expect(text).not.toMatch(/null|NaN|undefined|p99/);
    // Programs need not know which states there could have been.
    expect(createReport(placed, undefined, []).placed?.states).toEqual({ PAID: 0, DECLINED: 0, EXPIRED: 0 });
    expect(text).toMatch(/The books are wrong\n {2}orders charged twice: 1, expected 0$/);
  });

  it('shows ten faults of a kind and counts the rest, and every one to programs', () => {
    const of = (kind: string, count: number) => Array.from({ length: count }, (_, n) => `${kind} ${n}: it is so`);
    const faults = ['orders charged twice: 1, expected 0', ...of('gateway and payments differ:', 78), ...of('account', 11)];
    const report = createReport(undefined, undefined, faults);
    expect(report.faults).toEqual(faults);
    const lines = formatReport(report).split('\n');
    expect(lines).toEqual([
      'The books are wrong',
      ...[...faults.slice(0, 11), '… and 68 more of that kind', ...faults.slice(79, 89), '… and 1 more of that kind'].map(
        (line) => `  ${line}`,
      ),
    ]);
  });

  it('does not call books wrong of which nobody could tell: it says to look again', () => {
    const unchecked = ['unchecked account a/EUR: it is booked all the time', 'unchecked account b/EUR: it is booked all the time'];
    const again = [
      'Nobody can say whether these accounts are right: run it again when less is booked',
      ...unchecked.map((line) => `  ${line}`),
    ];
    expect(formatReport(createReport(undefined, undefined, unchecked)).split('\n')).toEqual(again);
    const twice = 'orders charged twice: 1, expected 0';
    const both = formatReport(createReport(undefined, undefined, [unchecked[0]!, twice, unchecked[1]!])).split('\n');
    expect(both).toEqual(['The books are wrong', `  ${twice}`, '', ...again]);
  });

  it('waits for a stack that answers nobody for a while, and places every order once', async () => {
    const away: (string | undefined)[] = [];
    let restarted: Promise<void> | undefined;
    const before = await stack.books();
    const { httpAddress } = stack.running.server;
    const run = placeOrders(options('--count', '60', '--concurrency', '8'), (progress) => {
      away.push(progress.away);
      if (progress.done === 20 && progress.away === undefined) restarted ??= stack.restart({ samePorts: true });
    });
    expect(await run).toMatchObject({ accepted: 60, refused: 0, unfinished: 0, states: { PAID: 60 } });
    await restarted;
    expect(stack.running.server.httpAddress).toBe(httpAddress);
    expect(away).toContain('no answer');
    const after = await stack.books();
    expect(faultsIn(after)).toEqual([]);
    expect(after.charges - before.charges).toBe(60);
  });

  it.each([
    ['no stack', () => '127.0.0.1:1', 'k-all', /^No stack answers at 127\.0\.0\.1:1: .*\nStart one with "npm start"/],
    ['its HTTP port', () => stack.http.replace('http://', ''), 'k-all', /does not answer as a stack does.*\n.*--target wants the gRPC one/],
    ['a stack that asks for a key', () => stack.grpc, undefined, /give a key with --api-key/],
    ['a stack with a key for one merchant', () => stack.grpc, 'k-one', /may not read the books/],
  ])('says what to do when it finds %s', async (_what, target, apiKey, advice) => {
    const reader = createBookReader({ target: target(), apiKey, clock: systemClock });
    const told = await reader.read().then(
      () => '',
      (thrown: unknown) => connectionAdvice(thrown, target()),
    );
    expect(told).toMatch(advice);
  });

  it('says how to name the services that run in processes of their own', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'paystream-alone-'));
    const ports = { PAYSTREAM_GRPC_PORT: '0', PAYSTREAM_HTTP_PORT: '0', PAYSTREAM_LOG_LEVEL: 'silent' };
    const alone = await startStack(readConfig({ PAYSTREAM_DATA_DIR: directory, ...ports }), ['order']);
    const { grpcAddress: target = '' } = alone.server;
    const failed = await createBookReader({ target, clock: systemClock })
      .read()
      .catch((thrown: unknown) => thrown);
    expect(connectionAdvice(failed, target)).toMatch(/has not all services: .*\n.*--at payment=HOST:PORT/);
    await alone.stop();
    await rm(directory, { recursive: true });
  });
});
