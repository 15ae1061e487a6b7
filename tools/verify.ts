// Every check that needs neither a build nor a test run. `npm run verify`.
import { lastRelease, run, runOrFail } from './workspace.ts';

interface Check {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** What changes need a changeset since: the newest release, or the beginning. A clone of a few commits knows neither. */
async function since(): Promise<string> {
  if ((await runOrFail('git', ['rev-parse', '--is-shallow-repository'])).stdout.trim() === 'true') return 'HEAD';
  return (await lastRelease()) ?? (await runOrFail('git', ['rev-list', '--max-parents=0', 'HEAD'])).stdout.trim();
}

const checks: readonly Check[] = [
  { name: 'types', command: 'tsc', args: ['-p', 'tsconfig.check.json'] },
  { name: 'types of examples with libraries whose own do not compile', command: 'tsc', args: ['-p', 'tsconfig.examples.json'] },
  { name: 'declarations of the packages', command: 'tsc', args: ['-p', 'tsconfig.packages.json'] },
  { name: 'lint and format', command: 'biome', args: ['check', '--error-on-warnings'] },
  {
    name: 'who imports whom',
    command: 'depcruise',
    args: ['packages', 'examples', 'bench', 'tools', '--config', '.dependency-cruiser.cjs'],
  },
  { name: 'time and chance through ports', command: 'node', args: ['tools/platform-use.ts'] },
  { name: 'dead code and dependencies', command: 'knip', args: ['--treat-config-hints-as-errors'] },
  { name: 'contracts: lint', command: 'buf', args: ['lint'] },
  { name: 'contracts: format', command: 'buf', args: ['format', '-d', '--exit-code'] },
  { name: 'contracts: compatible', command: 'node', args: ['tools/breaking.ts'] },
  { name: 'contracts: generated code in step', command: 'node', args: ['tools/generated.ts'] },
  // Written as well: links are only looked at then.
  { name: 'public exports documented', command: 'typedoc', args: ['--out', 'node_modules/.cache/docs-api'] },
  { name: 'changesets', command: 'changeset', args: ['status', '--since', await since()] },
  { name: 'lock complete', command: 'node', args: ['tools/complete-lock.ts', '--check'] },
];

/** How many checks passed and failed; prints a line for each, and what a failed one said. */
export async function verify(): Promise<{ readonly passed: number; readonly failed: number }> {
  const failed: string[] = [];
  const waiting = [...checks];
  const worker = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const started = performance.now();
      const { code, output } = await run(check.command, check.args);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${check.name} (${seconds} s)`);
      if (code === 0) continue;
      failed.push(check.name);
      console.error(output.trimEnd().replaceAll(/^/gm, '       '));
    }
  };
  await Promise.all([worker(), worker()]);
  const passed = checks.length - failed.length;
  console.log(`${passed} of ${checks.length} checks passed${failed.length === 0 ? '' : `; failed: ${failed.join(', ')}`}`);
  return { passed, failed: failed.length };
}

if (import.meta.main && (await verify()).failed > 0) process.exitCode = 1;
