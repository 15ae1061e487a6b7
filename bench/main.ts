// `npm run bench` runs every benchmark, `npm run bench -- NAME ...` those; `--list` names them with their own options, `--json`
// is for programs, `--strict` ends with 1 where a goal is missed.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Benchmark, type Finding, reached, type Series } from './compare.ts';

const folder = import.meta.dirname;

async function load(file: string): Promise<Benchmark> {
  const module = (await import(join(folder, file))) as { readonly benchmark?: Benchmark };
  if (module.benchmark === undefined) throw new Error(`bench/${file} exports no "benchmark"`);
  return module.benchmark;
}

const figure = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 4 });
const range = (series: Series): string => `${figure(series.median)} (${figure(series.min)} to ${figure(series.max)})`;

function row(finding: Finding): Readonly<Record<string, string>> {
  const { reference, ratio, goal } = finding;
  const bound = finding.lowerIsBetter === true ? '≤' : '≥';
  return {
    case: finding.case,
    unit: finding.unit,
    measured: `${finding.measured.name}: ${finding.skipped ?? range(finding.measured)}`,
    reference: reference === undefined ? 'none' : `${reference.name}: ${range(reference)}`,
    ratio: ratio === undefined ? '' : ratio.toFixed(2),
    goal: goal === undefined ? '' : `${bound} ${figure(goal)} ${reached(finding) === true ? 'reached' : 'MISSED'}`,
  };
}

const all = await Promise.all(globSync('*.bench.ts', { cwd: folder }).sort().map(load));
const own = all.flatMap(({ options = {} }) => Object.keys(options)).map((name) => [name, { type: 'string' }] as const);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { ...Object.fromEntries(own), json: { type: 'boolean' }, strict: { type: 'boolean' }, list: { type: 'boolean' } },
});
const unknown = positionals.filter((name) => !all.some((benchmark) => benchmark.name === name));

if (unknown.length > 0) {
  console.error(`there is no benchmark "${unknown.join('", "')}"; there are: ${all.map((benchmark) => benchmark.name).join(', ')}`);
  process.exitCode = 2;
} else if (values.list) {
  for (const { name, question, options = {} } of all) {
    console.log(`${name}: ${question}`);
    for (const [option, meaning] of Object.entries(options)) console.log(`  --${option} ${meaning}`);
  }
} else {
  const results: { readonly name: string; readonly question: string; readonly findings: readonly Finding[] }[] = [];
  for (const benchmark of all) {
    if (positionals.length > 0 && !positionals.includes(benchmark.name)) continue;
    if (!values.json) console.log(`\n${benchmark.name}: ${benchmark.question}`);
    const findings = await benchmark.run(values);
    results.push({ name: benchmark.name, question: benchmark.question, findings });
    if (!values.json) console.table(findings.map(row));
    if (values.strict && findings.some((finding) => reached(finding) === false)) process.exitCode = 1;
  }
  if (values.json) console.log(JSON.stringify(results, null, 2));
}
