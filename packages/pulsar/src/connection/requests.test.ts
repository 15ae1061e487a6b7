import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { PulsarError } from '../errors/pulsar-error.ts';
import { BaseCommandSchema, ServerError, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { createRequests } from './requests.ts';

const success = create(BaseCommandSchema, { type: Type.SUCCESS, success: { requestId: 1n } });
const ok = { requestId: 1n, error: undefined, message: undefined };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('gives each answer to the request that it is for', async () => {
  const requests = createRequests('broker:1');
  const first = requests.wait(1n, 'SEEK', { timeoutMs: 100 });
  const second = requests.wait(2n, 'SUBSCRIBE', { timeoutMs: 100 });
  requests.settle({ requestId: 2n, error: ServerError.CONSUMER_BUSY, message: 'taken' }, success);
  requests.settle(ok, success);
  requests.settle({ ...ok, requestId: 9n }, success);
  expect(await first).toBe(success);
  await expect(second).rejects.toMatchObject({
    code: 'CONSUMER_BUSY',
    command: 'SUBSCRIBE',
    serverError: 'ConsumerBusy',
    retryable: false,
  });
  expect(vi.getTimerCount()).toBe(0);
});

it('gives up each request at its own time, with one timer for all', async () => {
  const requests = createRequests('broker:1');
  const outcomes: string[] = [];
  for (const [id, timeoutMs] of [
    [1n, 300],
    [2n, 100],
    [3n, 200],
  ] as const) {
    requests.wait(id, 'SEEK', { timeoutMs }).catch((error: PulsarError) => outcomes.push(`${id} ${error.code}`));
  }
  expect(vi.getTimerCount()).toBe(1);
  await vi.advanceTimersByTimeAsync(150);
  expect(outcomes).toEqual(['2 TIMEOUT']);
  await vi.advanceTimersByTimeAsync(200);
  expect(outcomes).toEqual(['2 TIMEOUT', '3 TIMEOUT', '1 TIMEOUT']);
  expect(vi.getTimerCount()).toBe(0);
});

it('waits without limit after a first answer that is not the last', async () => {
  const requests = createRequests('broker:1');
  let last = false;
  const waiting = requests.wait(1n, 'PRODUCER', { timeoutMs: 100, until: () => last });
  requests.settle(ok, success);
  await vi.advanceTimersByTimeAsync(10_000);
  last = true;
  requests.settle(ok, success);
  expect(await waiting).toBe(success);
});

it('settles everything when the connection is lost, and whatever comes later', async () => {
  const requests = createRequests('broker:1');
  const waiting = requests.wait(1n, 'SEEK', { timeoutMs: 100 });
  requests.failAll(new PulsarError('NOT_CONNECTED', 'lost'));
  await expect(waiting).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
  await expect(requests.wait(2n, 'SEEK', { timeoutMs: 100 })).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
  expect(requests.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

it('lets the caller cancel', async () => {
  const requests = createRequests('broker:1');
  const controller = new AbortController();
  const waiting = requests.wait(1n, 'SEEK', { timeoutMs: 100, signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'CANCELED' });
  await expect(requests.wait(2n, 'SEEK', { timeoutMs: 100, signal: controller.signal })).rejects.toMatchObject({ code: 'CANCELED' });
  expect(requests.size).toBe(0);
});
