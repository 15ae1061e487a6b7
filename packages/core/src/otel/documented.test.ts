// docs/telemetry.md lists every metric of every package, as OpenTelemetry gets it.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { otelMetric } from './instruments.ts';

const root = join(import.meta.dirname, '../../../..');
const text = readFileSync(join(root, 'docs/telemetry.md'), 'utf8');
const rows = [...text.matchAll(/^\| `(paystream_\w+)` \| `([\w.]+)` \| `([^`]+)` \|/gm)].map(([, metric = '', name = '', unit = '']) => ({
  metric,
  name,
  unit,
}));

function metricsOfTheSources(): ReadonlySet<string> {
  const found = new Set<string>();
  for (const file of globSync('packages/*/src/**/*.ts', { cwd: root })) {
    if (file.endsWith('.test.ts')) continue;
    const told = readFileSync(join(root, file), 'utf8').matchAll(/(?:(?:count|observe|gauge|took)\(|Gauge:)\s*'(paystream_\w+)'/g);
    for (const [, metric = ''] of told) found.add(metric);
  }
  return found;
}

it('an operator finds every metric in docs/telemetry.md, and none that there is not', () => {
  expect(rows.map(({ metric }) => metric).sort()).toEqual([...metricsOfTheSources()].sort());
});

it.each(rows)('$metric is $name in $unit, as the page says', ({ metric, name, unit }) => {
  expect(otelMetric(metric)).toMatchObject({ name, unit });
});
