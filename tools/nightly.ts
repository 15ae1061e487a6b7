// What is too long for every change: the long runs of the Pulsar client on a real broker, an hour and some minutes in all.
// `npm run nightly`; the variables shorten or lengthen it.
import { run } from './workspace.ts';

const env = {
  PAYSTREAM_PULSAR_MESSAGES: process.env['PAYSTREAM_PULSAR_MESSAGES'] ?? '10000000',
  PAYSTREAM_PULSAR_SOAK_MINUTES: process.env['PAYSTREAM_PULSAR_SOAK_MINUTES'] ?? '60',
};
const { code } = await run('vitest', ['run', '--project', 'pulsar', 'packages/pulsar/src/endurance'], { env, show: true });
process.exitCode = code;
