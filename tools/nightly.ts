// What is too long for every change: `npm run nightly`, some hours in all; `npm run nightly -- --help` lists the parts.
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from './workspace.ts';

const help = `Usage: npm run nightly -- [options]

  --only PART     pulsar: the long runs of the Pulsar client on a real broker, an hour and some minutes
                  kills: every service in a process of its own on a real Pulsar and MySQL, killed again and again,
                  half of the times at points with a name; four to seven seconds a kill
                  old-rows: how much of its rate the stack keeps beside old orders, embedded and on a real Pulsar and MariaDB;
                  for each million a quarter of an hour and 10 GB among the temporary files (default: one after the other)
  --kills N       how many kills (default: 1000)
  --orders N      at least so many orders while they happen and after them (default: 100 for each kill)
  --seed N        of what is chosen by chance: the order of the kills, their moments, the behaviour of clients (default: 1)
  --report FILE   writes a line of JSON for each kill: where it was, and how long it took to recover (default: a table only)
  --messages N    how many messages go through one Pulsar client (default: 10000000)
  --minutes N     how long the broker's topics are unloaded again and again (default: 60)
  --rows N        how many old orders there are (default: 10000000)
  --help          prints this

Ends with the exit code 0 if nothing was lost, doubled or leaked, after 99 of 100 kills (of at least 100) the last order that was
under way had ended within 10 s, and the rate with old orders was what it should be.`;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    kills: { type: 'string', default: '1000' },
    orders: { type: 'string' },
    seed: { type: 'string', default: '1' },
    report: { type: 'string' },
    messages: { type: 'string', default: process.env['PAYSTREAM_PULSAR_MESSAGES'] ?? '10000000' },
    minutes: { type: 'string', default: process.env['PAYSTREAM_PULSAR_SOAK_MINUTES'] ?? '60' },
    rows: { type: 'string', default: process.env['PAYSTREAM_BENCH_OLD_ORDERS'] ?? '10000000' },
    help: { type: 'boolean', default: false },
  },
});

/** Runs the tests in a file or a folder, in the project that has the servers for them. Gives vitest's exit code. */
async function vitest(project: string, path: string, env: Readonly<Record<string, string>>): Promise<number> {
  return (await run('vitest', ['run', '--project', project, path], { env, show: true })).code;
}

/** Runs a benchmark, whose goal is to be reached. */
async function bench(name: string, env: Readonly<Record<string, string>>): Promise<number> {
  return (await run('node', ['--conditions=paystream-source', 'bench/main.ts', name, '--strict'], { env, show: true })).code;
}

const parts: Readonly<Record<string, () => Promise<number>>> = {
  pulsar: () =>
    vitest('pulsar', 'packages/pulsar/src/endurance', {
      PAYSTREAM_PULSAR_MESSAGES: values.messages,
      PAYSTREAM_PULSAR_SOAK_MINUTES: values.minutes,
    }),
  kills: () =>
    vitest('production', 'examples/stack/test/production-kills.int.test.ts', {
      PAYSTREAM_TEST_KILLS: values.kills,
      PAYSTREAM_TEST_ORDERS: values.orders ?? `${100 * Number(values.kills)}`,
      PAYSTREAM_TEST_SEED: values.seed,
      ...(values.report === undefined ? {} : { PAYSTREAM_TEST_REPORT: resolve(values.report) }),
    }),
  'old-rows': () => bench('old-rows', { PAYSTREAM_BENCH_OLD_ORDERS: values.rows }),
};

/** What old orders take among the temporary files, in bytes. */
const bytesPerOldOrder = 10_000;

function withoutRoom(): string | undefined {
  const { bavail, bsize } = statfsSync(tmpdir());
  const [needed, free] = [Number(values.rows) * bytesPerOldOrder, bavail * bsize].map((bytes) => Math.ceil(bytes / 1e9));
  if ((needed ?? 0) <= (free ?? 0)) return undefined;
  return `--rows ${values.rows}: takes some ${needed} GB in ${tmpdir()}, where ${free} GB are free; give fewer, or leave the part out by --only`;
}

function fault(): string | undefined {
  if (values.only !== undefined && !(values.only in parts)) return `--only ${values.only}: there are ${Object.keys(parts).join(', ')}`;
  for (const name of ['kills', 'orders', 'seed', 'messages', 'minutes', 'rows'] as const) {
    if (!/^\d+$/.test(values[name] ?? '0')) return `--${name} ${values[name]}: must be a whole number`;
  }
  return (values.only ?? 'old-rows') === 'old-rows' ? withoutRoom() : undefined;
}

if (values.help) console.log(help);
else {
  const wrong = fault();
  if (wrong !== undefined) {
    console.error(`${wrong}\n\n${help}`);
    process.exitCode = 1;
  } else {
    // One after the other, and the others even if one has failed: a night is for finding out all there is.
    for (const [name, part] of Object.entries(parts)) {
      if ((values.only ?? name) === name && (await part()) !== 0) process.exitCode = 1;
    }
  }
}
