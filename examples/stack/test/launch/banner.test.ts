import { expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { launcherBanner } from '../../src/launch/banner.ts';
import { planProcesses, readLaunchOptions } from '../../src/launch/plan.ts';
import { readLoadOptions } from '../../src/load/options.ts';

/** The options of the `npm run orders` that the launcher of services with these settings tells people to paste. */
function orders(settings: Readonly<Record<string, string>> = {}): readonly string[] {
  const config = readConfig({
    PAYSTREAM_PROFILE: 'production',
    PAYSTREAM_PULSAR_URL: 'pulsar://127.0.0.1:6650',
    PAYSTREAM_MYSQL_URL: 'mysql://u:p@127.0.0.1/paystream',
    ...settings,
  });
  const banner = launcherBanner(planProcesses(config, readLaunchOptions(['--replicas', 'order=2,payment=2'])), config);
  const [, line = ''] = /^ {2}npm run orders -- (.*)$/m.exec(banner) ?? [];
  return line.split(' ');
}

it('finds each service whose books are read in the process that has it', () => {
  expect(readLoadOptions(orders())).toMatchObject({
    count: 1_000,
    target: '127.0.0.1:50051',
    at: { payment: '127.0.0.1:50056', wallet: '127.0.0.1:50055', notify: '127.0.0.1:50054', logger: '127.0.0.1:50053' },
  });
  expect(readLoadOptions(orders({ PAYSTREAM_GRPC_PORT: '4000' }))).toMatchObject({
    target: '127.0.0.1:4000',
    at: { logger: '127.0.0.1:4002' },
  });
});

it('asks for a key where the services do, or they would refuse what was pasted', () => {
  expect(readLoadOptions(orders({ PAYSTREAM_API_KEYS: 'ops=*' }))['api-key']).toBe('YOUR_KEY');
  expect(readLoadOptions(orders())['api-key']).toBeUndefined();
});
