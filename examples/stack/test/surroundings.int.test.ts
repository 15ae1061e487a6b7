import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createIdGenerator, PaystreamError, systemClock, systemRandom } from '@paystream/core';
import { OrderState } from '@paystream/core/contracts';
import { createOrderClient, type OrderClient } from '@paystream/order/client';
import { describe, expect, it, type TestContext } from 'vitest';
import { type Books, createBookReader, faultsIn } from '../src/load/books.ts';
import { createSmallDisk, type SmallDisk } from './small-disk.ts';
import { createStackProcess, readinessOf, type StackProcess } from './stack-process.ts';
import { goodOrder } from './test-stack.ts';

const run = promisify(execFile);
const nextId = createIdGenerator(systemClock, systemRandom);
const final: readonly OrderState[] = [OrderState.PAID, OrderState.DECLINED, OrderState.EXPIRED];
const quick = {
  PAYSTREAM_GATEWAY_LATENCY_MS: '0-20',
  PAYSTREAM_PAYMENT_RETRY_DELAY_MS: '300',
  PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: '100,1000',
};

async function until(what: string, timeoutMs: number, look: () => Promise<boolean>): Promise<void> {
  const end = systemClock.monotonic() + timeoutMs;
  while (!(await look())) {
    if (systemClock.monotonic() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await systemClock.sleep(50);
  }
}

/** One message, of whole sentences, that a person can act on. */
function expectOneError(output: string, ...parts: readonly (string | RegExp)[]): void {
  expect(output.trim().split('\n'), output).toHaveLength(1);
  expect(output).not.toMatch(/^\s+at /m);
  for (const part of parts) expect(output).toMatch(part);
}

interface Load {
  /** Order ids by request id: what was acknowledged. */
  readonly acknowledged: ReadonlyMap<string, string>;
  readonly errors: readonly PaystreamError[];
  stop(): Promise<void>;
}

/** So many clients that place one order after another, each under a new id. */
function keepPlacing(client: OrderClient, clients: number, reference = 'pm_card_visa'): Load {
  const acknowledged = new Map<string, string>();
  const errors: PaystreamError[] = [];
  let on = true;
  const one = async (): Promise<void> => {
    while (on) {
      const requestId = nextId();
      try {
        const { orderId } = await client.createOrder({
          ...goodOrder,
          paymentMethod: { reference },
          requestId,
          ...(errors.length % 2 === 0 ? {} : { wait: { seconds: 5n } }),
        });
        acknowledged.set(requestId, orderId);
      } catch (cause) {
        errors.push(PaystreamError.from(cause));
        await systemClock.sleep(20);
      }
    }
  };
  const all = Promise.all(Array.from({ length: clients }, one));
  return {
    acknowledged,
    errors,
    stop: async () => {
      on = false;
      await all;
    },
  };
}

/** Every order that was acknowledged has ended, and the books are right. */
async function expectNothingLost(stack: StackProcess, { acknowledged }: Load): Promise<Books> {
  const books = await createBookReader({ target: stack.grpc, clock: systemClock }).settled(120_000);
  expect(faultsIn(books)).toEqual([]);
  await using client = createOrderClient({ baseUrl: `http://${stack.grpc}` });
  for (const orderId of acknowledged.values()) {
    const { order } = await client.waitOrder({ orderId, merchantId: 'merchant-1', timeout: { seconds: 30n } });
    expect(final, orderId).toContain(order?.state);
  }
  return books;
}

async function expectPaid(stack: StackProcess): Promise<void> {
  await using client = createOrderClient({ baseUrl: `http://${stack.grpc}` });
  expect((await client.placeAndWait({ ...goodOrder, requestId: nextId() })).state).toBe(OrderState.PAID);
}

async function smallDisk(context: TestContext, megabytes: number): Promise<SmallDisk> {
  const disk = await createSmallDisk(megabytes);
  if (typeof disk !== 'string') return disk;
  process.stderr.write(`skipped "${context.task.name}": ${disk}\n`);
  return context.skip(disk);
}

describe('a start that cannot succeed says why in one message, ends, and harms nobody', () => {
  it('in a data folder that another stack uses, which goes on', async () => {
    await using first = await createStackProcess(quick);
    await first.start();
    await using second = await createStackProcess({ ...quick, PAYSTREAM_DATA_DIR: join(first.directory, 'data') });
    expect(await second.fail()).toBe(1);
    expectOneError(second.output, /DATA_FOLDER_IN_USE/, join(first.directory, 'data'), /stop that one, or choose another/);
    await expectPaid(first);
    expect(await first.stop()).toBe(0);
    expect(await second.start()).toBeGreaterThan(0);
    await expectPaid(second);
  });

  it.each(['PAYSTREAM_GRPC_PORT', 'PAYSTREAM_HTTP_PORT'])('on a %s that is taken', async (setting) => {
    await using first = await createStackProcess(quick);
    await first.start();
    const address = setting === 'PAYSTREAM_GRPC_PORT' ? first.grpc : first.http.replace('http://', '');
    await using second = await createStackProcess({ ...quick, [setting]: address.split(':')[1] ?? '' });
    expect(await second.fail()).toBe(1);
    expectOneError(second.output, /ADDRESS_IN_USE/, address, setting);
    await expectPaid(first);
  });

  it('with settings that are wrong, all of them told at once', async () => {
    await using stack = await createStackProcess({ PAYSTREAM_GRPC_PORT: 'x', PAYSTREAM_GATEWAY_MIX: 'y', PAYSTREAM_NOTHING: '1' });
    expect(await stack.fail()).toBe(1);
    expect(stack.output).toMatch(/INVALID_SETTINGS/);
    for (const name of ['PAYSTREAM_GRPC_PORT', 'PAYSTREAM_GATEWAY_MIX', 'PAYSTREAM_NOTHING']) expect(stack.output).toContain(name);
    expect(stack.output).not.toMatch(/^\s+at /m);
  });

  it('in a data folder that is a file', async () => {
    await using stack = await createStackProcess(quick);
    await writeFile(join(stack.directory, 'data'), 'mine');
    expect(await stack.fail()).toBe(1);
    expectOneError(stack.output, /DATA_FOLDER_NOT_A_FOLDER/, join(stack.directory, 'data'));
    expect(await readFile(join(stack.directory, 'data'), 'utf8')).toBe('mine');
  });

  it.each([
    ['notifications', /MESSAGE_FILE_UNWRITABLE/],
    ['logs', /LOG_FILE_UNWRITABLE/],
  ])('where a file lies in the place of the folder %s', async (name, reason) => {
    await using stack = await createStackProcess(quick);
    await mkdir(join(stack.directory, 'data'));
    await writeFile(join(stack.directory, 'data', name), 'mine');
    expect(await stack.fail()).toBe(1);
    expectOneError(stack.output, reason, join(stack.directory, 'data', name));
  });

  it('in a data folder that cannot be written', async (context) => {
    await using stack = await createStackProcess(quick);
    const data = join(stack.directory, 'data');
    await mkdir(data);
    let undo = (): Promise<unknown> => chmod(data, 0o755);
    if (process.getuid?.() === 0) {
      // Permissions do not bind root; a mount does.
      undo = () => run('umount', [data]);
      try {
        await run('mount', ['--bind', data, data]);
        await run('mount', ['-o', 'remount,ro,bind', data]);
      } catch (cause) {
        const why = `root cannot mount here: ${String(cause)}`;
        process.stderr.write(`skipped "${context.task.name}": ${why}\n`);
        context.skip(why);
      }
    } else await chmod(data, 0o555);
    try {
      expect(await stack.fail()).toBe(1);
      expectOneError(stack.output, /DATA_FOLDER_READ_ONLY/, data);
    } finally {
      await undo();
    }
    await stack.start();
    await expectPaid(stack);
  });

  it.each(['paystream.sqlite', 'broker.sqlite', 'gateway.sqlite'])('on a %s that is damaged, which stays as it is', async (name) => {
    await using stack = await createStackProcess(quick);
    await stack.start();
    await expectPaid(stack);
    expect(await stack.stop()).toBe(0);
    const file = join(stack.directory, 'data', name);
    const whole = await readFile(file);
    const garbage = Buffer.from('this was a database once '.repeat(40));
    const damages = {
      'its beginning is something else': Buffer.concat([garbage, whole.subarray(garbage.length)]),
      'its pages are something else': Buffer.concat([whole.subarray(0, 100), Buffer.alloc(whole.length - 100, garbage)]),
      'half of it is missing': whole.subarray(0, 4_096 * Math.floor(whole.length / 8_192)),
    };
    for (const [how, bytes] of Object.entries(damages)) {
      await writeFile(file, bytes);
      expect(await stack.fail(), `${how}: ${stack.output}`).toBe(1);
      expectOneError(stack.output, /DATA_LOSS/, /DATABASE_CORRUPT/, name, /restore it from a backup/);
      expect(
        createHash('sha256')
          .update(await readFile(file))
          .digest('hex'),
        how,
      ).toBe(createHash('sha256').update(bytes).digest('hex'));
    }
    await writeFile(file, whole);
    await stack.start();
    await expectPaid(stack);
  });
});

describe('a stop by SIGTERM under load', () => {
  it('ends with 0 within its limit, and loses nothing that was acknowledged', async () => {
    await using stack = await createStackProcess({
      ...quick,
      PAYSTREAM_GATEWAY_LATENCY_MS: '0-300',
      PAYSTREAM_SHUTDOWN_TIMEOUT_MS: '8000',
    });
    await stack.start();
    await using client = createOrderClient({ baseUrl: `http://${stack.grpc}`, attempts: 1 });
    const load = keepPlacing(client, 32);
    await until('orders flow', 10_000, async () => load.acknowledged.size > 500);
    const startMs = systemClock.monotonic();
    expect(await stack.stop(), stack.output).toBe(0);
    expect(systemClock.monotonic() - startMs).toBeLessThan(8_000);
    await load.stop();
    expect(stack.output).not.toMatch(/^\s+at /m);
    expect(new Set(load.errors.map(({ code }) => code))).toEqual(new Set(['UNAVAILABLE']));
    await stack.start();
    await expectNothingLost(stack, load);
  });
});

describe('a disk that fills up while orders flow', () => {
  it('is told to callers and by /readyz; when there is room again all goes on by itself, and nothing is lost', async (context) => {
    await using disk = await smallDisk(context, 24);
    await using stack = await createStackProcess({ ...quick, PAYSTREAM_DATA_DIR: join(disk.directory, 'data') }, disk.prefix);
    await stack.start();
    await using client = createOrderClient({ baseUrl: `http://${stack.grpc}`, attempts: 1 });
    const load = keepPlacing(client, 16);
    await until('orders flow', 10_000, async () => load.acknowledged.size > 200);
    expect(load.errors).toEqual([]);
    await disk.fill();
    await until('callers are told', 20_000, async () => load.errors.length > 100);
    await until('/readyz tells', 20_000, async () => (await readinessOf(stack)).status === 503);
    await systemClock.sleep(2_000);
    expect(JSON.stringify((await readinessOf(stack)).unready)).toMatch(/DISK_FULL/);
    expect((await fetch(`${stack.http}/healthz`)).status).toBe(200);
    expect(new Set(load.errors.map(({ code }) => code))).toEqual(new Set(['UNAVAILABLE']));
    expect(load.errors.map(({ reason }) => reason)).toContain('DISK_FULL');
    await disk.empty();
    const before = load.acknowledged.size;
    await until('orders flow again', 60_000, async () => load.acknowledged.size > before + 200);
    await load.stop();
    await until('/readyz tells that all is well', 60_000, async () => Object.keys((await readinessOf(stack)).unready).length === 0);
    await expectNothingLost(stack, load);
    expect(await stack.stop(), stack.output).toBe(0);
  });

  it('and a stack that is killed, started and stopped on it: each says why, and nothing is lost', async (context) => {
    await using disk = await smallDisk(context, 24);
    const mixed = { PAYSTREAM_GATEWAY_MIX: 'approve=80,decline=5,decline-later=5,time-out-after-charging=5,error-before-charging=5' };
    const settings = {
      ...quick,
      ...mixed,
      PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: '300',
      PAYSTREAM_SHUTDOWN_TIMEOUT_MS: '3000',
      PAYSTREAM_DATA_DIR: join(disk.directory, 'data'),
    };
    await using stack = await createStackProcess(settings, disk.prefix);
    await stack.start();
    await using client = createOrderClient({ baseUrl: `http://${stack.grpc}`, attempts: 1 });
    const load = keepPlacing(client, 16, 'pm_mixed');
    await until('orders flow', 10_000, async () => load.acknowledged.size > 200);
    await disk.fill();
    await until('callers are told', 20_000, async () => load.errors.length > 100);
    await stack.kill();
    expect(await stack.fail(), stack.output).toBe(1);
    // Depending on how far it came, it has said before what it could not store.
    expect(stack.output.trim().split('\n').at(-1)).toMatch(/^PaystreamError \[UNAVAILABLE\] \w+: .*(free some space|Free space)/);
    await disk.empty();
    await stack.start();
    await disk.fill();
    await until('/readyz tells', 20_000, async () => (await readinessOf(stack)).status === 503);
    const startMs = systemClock.monotonic();
    expect(await stack.stop()).not.toBeNull();
    expect(systemClock.monotonic() - startMs).toBeLessThan(4_000);
    await disk.empty();
    await stack.start();
    await load.stop();
    await expectNothingLost(stack, load);
  });

  it('where only logs and messages go: orders are paid all the same, and every entry and message comes once there is room', async (context) => {
    await using disk = await smallDisk(context, 2);
    await using stack = await createStackProcess({ ...quick, PAYSTREAM_LOG_DIR: join(disk.directory, 'logs') }, disk.prefix);
    await mkdir(join(stack.directory, 'data'));
    await symlink(disk.directory, join(stack.directory, 'data', 'notifications'));
    await stack.start();
    await expectPaid(stack);
    await using client = createOrderClient({ baseUrl: `http://${stack.grpc}`, attempts: 1 });
    await disk.fill();
    const load = keepPlacing(client, 8);
    // It does its work without them: it is ready all the same.
    await until('/readyz tells', 20_000, async () => {
      const { unready } = await readinessOf(stack);
      return 'logger' in unready && 'notify' in unready;
    });
    const { status, unready } = await readinessOf(stack);
    expect(status).toBe(200);
    expect(unready['logger']).toMatch(/no space left on device/i);
    expect(unready['notify']).toMatch(/no space left on device/i);
    await expectPaid(stack);
    await load.stop();
    expect(load.errors).toEqual([]);
    expect(load.acknowledged.size).toBeGreaterThan(20);
    await disk.empty();
    // A pause may have grown to a minute.
    await until('/readyz tells that all is well', 90_000, async () => Object.keys((await readinessOf(stack)).unready).length === 0);
    const books = await expectNothingLost(stack, load);
    expect(books.businessEntries['order.placed']).toBe(load.acknowledged.size + 2);
  });
});
