import { join } from 'node:path';
import { createVirtualClock, type VirtualClock } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { type ServiceProcess, startProcess } from '../../src/launch/processes.ts';

const shutdownTimeoutMs = 10_000;

async function start(clock: VirtualClock, settings: Readonly<Record<string, string>>, lines: string[]): Promise<ServiceProcess> {
  return startProcess({
    plan: { name: 'order-1', service: 'order', grpcPort: 0, httpPort: 0, grpc: '', http: '', settings },
    environment: process.env,
    shutdownTimeoutMs,
    clock,
    program: join(import.meta.dirname, 'stops.fixture.ts'),
    onLine: (name, line) => lines.push(`${name}: ${line}`),
  });
}

it('tells of a process that stopped in good order that it did', async () => {
  const lines: string[] = [];
  const one = await start(createVirtualClock(), {}, lines);
  expect(one.lastEnd).toBeUndefined();
  await one.stop();
  expect(one.lastEnd).toBe('with code 0');
  expect(lines).toEqual(['order-1: Paystream is ready']);
});

it('tells of a process that does not stop that it was killed, once its time is up', async () => {
  const clock = createVirtualClock();
  const lines: string[] = [];
  const one = await start(clock, { STUBBORN: '1' }, lines);
  const stopped = one.stop();
  await clock.advance(shutdownTimeoutMs);
  expect(lines).toEqual(['order-1: Paystream is ready']);
  await clock.advance(5_000);
  await stopped;
  expect(one.lastEnd).toBe('by SIGKILL');
  expect(lines.at(-1)).toBe('order-1: did not stop within 15000 ms and was killed');
});

it('names the service whose settings are wrong, and says so once', async () => {
  const settings = { PAYSTREAM_LOG_LEVEL: 'loud' };
  const plan = { name: 'order-1', service: 'order', grpcPort: 0, httpPort: 0, grpc: '', http: '', settings } as const;
  const started = startProcess({ plan, environment: process.env, shutdownTimeoutMs, clock: createVirtualClock(), onLine: () => undefined });
  await expect(started).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_SETTINGS',
    message: expect.stringMatching(
      /^order-1 did not start: the settings are wrong; (?!.*PaystreamError).*\n {2}PAYSTREAM_LOG_LEVEL "loud": /,
    ),
  });
});
