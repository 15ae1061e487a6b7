import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../workspace.ts';

const document = readFileSync(join(root, 'docs/pulsar-checklist.md'), 'utf8');
const [listed = '', leftOut = ''] = document.split('## Left out');
const count = 86;

const rows = (text: string): RegExpExecArray[] => [...text.matchAll(/^\| 9\.\d\.(\d+) \| (.*) \|$/gm)];
const inOrder = (pairs: Iterable<string>): string[] => [...pairs].sort((one, other) => one.localeCompare(other, 'en', { numeric: true }));

/** `9.3.34 in wire/x.test.ts`, for every number in front of a title. */
function numberedTests(): Set<string> {
  const found = new Set<string>();
  const folder = join(root, 'packages/pulsar/src');
  for (const file of globSync('**/*.test.ts', { cwd: folder })) {
    const source = readFileSync(join(folder, file), 'utf8');
    for (const [, numbers = ''] of source.matchAll(/['"`]((?:9\.\d\.\d+,? )+)/g)) {
      for (const [number] of numbers.matchAll(/9\.\d\.\d+/g)) found.add(`${number} in ${file.replaceAll('\\', '/')}`);
    }
  }
  return found;
}

it('sends who looks for the test of a case to files that have it, and to all of them', () => {
  const pairs = rows(listed).flatMap(([row]) => {
    const number = /9\.\d\.\d+/.exec(row)?.[0] ?? '';
    return [...row.matchAll(/\]\(\.\.\/packages\/pulsar\/src\/([^)]+)\)/g)].map(([, file]) => `${number} in ${file}`);
  });
  expect(inOrder(pairs)).toEqual(inOrder(numberedTests()));
});

it('lists each case once, with its tests or with the reason why there is none', () => {
  const numbers = [...rows(listed), ...rows(leftOut)].map(([, number]) => Number(number));
  expect(numbers.toSorted((one, other) => one - other)).toEqual(Array.from({ length: count }, (_, at) => at + 1));
  expect(rows(listed).filter(([row]) => !row.includes('.test.ts'))).toEqual([]);
  expect(rows(leftOut).filter(([row]) => row.includes('.test.ts') || row.split(' | ').length !== 3)).toEqual([]);
});
