// Everything that must hold before a change goes in: `npm run test:all`. Fails if any part of it fails or did not run.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { prepareExternal } from './external.ts';
import { verify } from './verify.ts';
import { root, run } from './workspace.ts';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Stage {
  readonly name: string;
  /** Rejects if it could not run. */
  readonly run: () => Promise<Counts>;
}

interface VitestReport {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** What vitest says of errors that are no test's: from a hook of a file, from nowhere, or from the end of the servers. */
function besideTests(output: string): string {
  const at = output.search(/Failed Suites|Unhandled (Error|Rejection)|Uncaught Exception|error during close|close timed out/);
  return at < 0 ? output.slice(-4_000) : output.slice(at, at + 8_000);
}

const one: Counts = { passed: 1, failed: 0, skipped: 0 };
/** What failed, a line each, for the end of the run: what is printed before it may be long. */
const failures: string[] = [];
const scratch = await mkdtemp(join(tmpdir(), 'paystream-test-all-'));

/**
 * Runs one project of vitest.config.ts. A file none of whose tests ran, as when it failed to load, its broker did not start or
 * all of it was skipped, counts as one failed test.
 */
async function vitest(project: string): Promise<Counts> {
  const report = join(scratch, `${project}.json`);
  const args = ['run', '--project', project, '--reporter=dot', '--reporter=json', `--outputFile.json=${report}`];
  const { code, output } = await run('vitest', args, { show: true, env: { NO_COLOR: '1' } });
  const result = JSON.parse(await readFile(report, 'utf8')) as VitestReport;
  if (result.testResults.length === 0) throw new Error(`project ${project} has no tests`);
  const didNotRun = result.testResults.filter(
    ({ assertionResults }) => !assertionResults.some(({ status }) => status === 'passed' || status === 'failed'),
  );
  for (const { name, message } of didNotRun) failures.push(`no test of ${relative(root, name)} ran: ${message || 'all were skipped'}`);
  for (const { name, assertionResults } of result.testResults) {
    for (const { status, fullName, failureMessages } of assertionResults) {
      if (status === 'failed') failures.push(`${relative(root, name)}: ${fullName}: ${failureMessages.join('\n').split('\n', 1)[0]}`);
    }
  }
  let failed = result.numFailedTests + didNotRun.length;
  if (failed === 0 && (code !== 0 || !result.success)) {
    failed = 1;
    failures.push(`vitest ended with ${code} though no test of ${project} failed:\n${besideTests(output)}`);
  }
  return { passed: result.numPassedTests, failed, skipped: result.numPendingTests + result.numTodoTests };
}

const stages: readonly Stage[] = [
  { name: 'checks', run: async () => ({ ...(await verify()), skipped: 0 }) },
  { name: 'external clients', run: async () => ({ ...(await prepareExternal()), skipped: 0 }) },
  {
    name: 'build',
    run: async () => {
      const { code } = await run('node', ['tools/build.ts'], { show: true });
      if (code !== 0) throw new Error(`the build ended with ${code}`);
      return one;
    },
  },
  { name: 'unit tests', run: () => vitest('unit') },
  { name: 'integration tests', run: () => vitest('int') },
  { name: 'tests on a real Pulsar', run: () => vitest('pulsar') },
  { name: 'tests on a real MariaDB', run: () => vitest('mariadb') },
  { name: 'tests on the newest MariaDB', run: () => vitest('mariadb-newest') },
  { name: 'tests on a real MySQL', run: () => vitest('mysql') },
  { name: 'the system on all of them, in processes', run: () => vitest('production') },
];

const rows: (Counts & { readonly stage: string; readonly seconds: number })[] = [];
for (const stage of stages) {
  console.log(`\n== ${stage.name}`);
  const started = performance.now();
  const counts = await stage.run().catch((error: unknown): Counts => {
    console.error(error);
    failures.push(`${stage.name}: ${String(error)}`);
    return { passed: 0, failed: 1, skipped: 0 };
  });
  rows.push({ stage: stage.name, ...counts, seconds: Math.round((performance.now() - started) / 100) / 10 });
}
await rm(scratch, { recursive: true, force: true });

const sum = (of: keyof Counts): number => rows.reduce((total, row) => total + row[of], 0);
console.log();
console.table(rows);
for (const failure of failures) console.log(`failed: ${failure}`);
console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
if (sum('failed') > 0) process.exitCode = 1;
