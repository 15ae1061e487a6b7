import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');

/** What the README says that the `main.ts` of a folder prints. */
export function printedBy(folder: string): readonly string[] {
  const [, told = ''] = new RegExp(`^\\| \`${folder}\` \\|.*\\| ([^|]*) \\|$`, 'm').exec(readme) ?? [];
  return [...told.matchAll(/`([^`]+)`/g)].map(([, line = '']) => line);
}
