import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './workspace.ts';

const documents = globSync(['*.md', 'docs/*.md', 'packages/*/README.md', 'examples/*/README.md', 'third_party/README.md'], { cwd: root });

it.each(documents)('a reader of %s finds every file that it points to', (document) => {
  const targets = [...readFileSync(join(root, document), 'utf8').matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)].map((match) => match[1]!);
  expect(targets.filter((target) => !existsSync(join(root, dirname(document), target)))).toEqual([]);
});
