import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PaystreamError } from '@paystream/core';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { planProcesses, readLaunchOptions, usage } from '../src/launch/plan.ts';
import { readServiceNames, serviceNames, startUsage } from '../src/service-names.ts';

const production = {
  PAYSTREAM_PROFILE: 'production',
  PAYSTREAM_PULSAR_URL: 'pulsar://127.0.0.1:6650',
  PAYSTREAM_MYSQL_URL: 'mysql://u:p@127.0.0.1/paystream',
};

function messageOf(work: () => unknown): string {
  try {
    work();
    return 'nothing was thrown';
  } catch (error) {
    return PaystreamError.from(error).message;
  }
}

describe('the processes of services', () => {
  it('are one of each, the order service on the known ports, the gateway first', () => {
    const plan = planProcesses(readConfig(production), readLaunchOptions([]));
    expect(plan.map(({ name }) => name)).toEqual(['gateway', 'logger-1', 'notify-1', 'wallet-1', 'payment-1', 'order-1']);
    expect(plan.find(({ service }) => service === 'order')).toMatchObject({ grpcPort: 50_051, httpPort: 3_000 });
    expect(new Set(plan.flatMap(({ grpcPort, httpPort }) => [grpcPort, httpPort])).size).toBe(2 * plan.length);
    const gateway = plan[0]?.grpcPort;
    expect(plan.find(({ service }) => service === 'payment')?.settings).toEqual({ PAYSTREAM_GATEWAY_URL: `http://127.0.0.1:${gateway}` });
  });

  it('are as many as asked for', () => {
    const plan = planProcesses(readConfig(production), readLaunchOptions(['--replicas', 'order=2,logger=3']));
    const names = plan.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['order-1', 'order-2', 'logger-1', 'logger-2', 'logger-3']));
    expect(plan.filter(({ service }) => service === 'order').map(({ grpcPort }) => grpcPort)).toEqual([50_051, 50_052]);
  });

  it('are as many of a service as people are told they may be, and no more', () => {
    const most = Number(/from 1 to (\d+): order=2/.exec(usage)?.[1]);
    expect(readLaunchOptions(['--replicas', `order=${most}`]).replicas).toEqual({ order: most });
    expect(messageOf(() => readLaunchOptions(['--replicas', `order=${most + 1}`]))).toContain(`from 1 to ${most}`);
    const guide = readFileSync(join(import.meta.dirname, '../../../docs/production.md'), 'utf8');
    expect(guide).toContain(`\`--replicas\` takes up to ${most} of a service`);
  });

  it('have no gateway of their own where there is one', () => {
    const config = readConfig({ ...production, PAYSTREAM_GATEWAY_URL: 'http://127.0.0.1:9' });
    expect(planProcesses(config, readLaunchOptions([])).map(({ service }) => service)).not.toContain('gateway');
    expect(planProcesses(config, readLaunchOptions(['--gateway'])).map(({ service }) => service)).toContain('gateway');
  });

  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
    ['::', '127.0.0.1'],
    ['10.0.0.5', '10.0.0.5'],
    ['fd00::5', '[fd00::5]'],
  ])('that listen on %s are looked for where they listen: the gateway by payment, all of them by people', (host, reached) => {
    const config = readConfig({ ...production, PAYSTREAM_HOST: host, PAYSTREAM_API_KEYS: 'ops=*' });
    const plan = planProcesses(config, readLaunchOptions([]));
    const gateway = plan.find(({ service }) => service === 'gateway');
    expect(plan.find(({ service }) => service === 'payment')?.settings).toEqual({
      PAYSTREAM_GATEWAY_URL: `http://${reached}:${gateway?.grpcPort}`,
    });
    expect(plan.find(({ service }) => service === 'order')).toMatchObject({ grpc: `${reached}:50051`, http: `http://${reached}:3000` });
  });

  it('have ports of their own, or none of them starts', () => {
    const planned = (grpc: string, http: string, ...args: readonly string[]) =>
      messageOf(() =>
        planProcesses(readConfig({ ...production, PAYSTREAM_GRPC_PORT: grpc, PAYSTREAM_HTTP_PORT: http }), readLaunchOptions(args)),
      );
    const apart = /PAYSTREAM_GRPC_PORT \d+ and PAYSTREAM_HTTP_PORT \d+: 6 processes .* set them 6 apart or more/;
    expect(planned('3001', '3000')).toMatch(apart);
    expect(planned('3000', '3005')).toMatch(apart);
    expect(planned('3000', '3000')).toMatch(apart);
    expect(planned('3006', '3000')).toBe('nothing was thrown');
    expect(planned('3006', '3000', '--replicas', 'order=2')).toMatch(/7 processes/);
    expect(planned('0', '3000')).toMatch(/PAYSTREAM_GRPC_PORT 0: .* must be a port, not 0/);
    expect(planned('50051', '0')).toMatch(/PAYSTREAM_HTTP_PORT 0: .* must be a port, not 0/);
    expect(planned('50051', '65531')).toMatch(/PAYSTREAM_HTTP_PORT 65531: 6 processes .* 65530 at most/);
    expect(planned('65530', '3000')).toBe('nothing was thrown');
  });

  it('have a gateway that makes the file of its book, also where the schema of the database may only be checked', () => {
    const environment = { ...production, PAYSTREAM_MIGRATIONS: 'check' };
    const [gateway, ...others] = planProcesses(readConfig(environment), readLaunchOptions([]));
    expect(readConfig({ ...environment, ...gateway?.settings })).toMatchObject({
      PAYSTREAM_DATABASE: 'embedded',
      PAYSTREAM_MIGRATIONS: 'apply',
    });
    for (const { settings } of others) expect(readConfig({ ...environment, ...settings }).PAYSTREAM_MIGRATIONS).toBe('check');
  });

  it('need what they share', () => {
    expect(messageOf(() => planProcesses(readConfig({}), readLaunchOptions([])))).toMatch(/PAYSTREAM_PROFILE=production/);
  });

  it('are refused where the command line makes no sense', () => {
    expect(messageOf(() => readLaunchOptions(['--replicas', 'shipping=2']))).toMatch(/no service shipping; there are gateway, logger/);
    expect(messageOf(() => readLaunchOptions(['--replicas', 'order=0']))).toMatch(/from 1 to 16/);
    expect(messageOf(() => readLaunchOptions(['--replicas', 'gateway=2']))).toMatch(/one gateway/);
    expect(messageOf(() => readLaunchOptions(['--replica', 'order=2']))).toMatch(/--help/);
    expect(messageOf(() => readServiceNames(['order', 'shipping']))).toMatch(/no service shipping.*--help/);
    for (const name of serviceNames) expect(startUsage).toContain(name);
    expect(readServiceNames(['payment', 'gateway'])).toEqual(['gateway', 'payment']);
  });
});
