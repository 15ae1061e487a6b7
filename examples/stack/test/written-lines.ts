import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The lines of JSON in the files of a folder whose names match. */
export function jsonLines(directory: string, pattern: RegExp): readonly Record<string, unknown>[] {
  return readdirSync(directory)
    .filter((name) => pattern.test(name))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Those values that came before. */
export function twice(values: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return values.filter((value) => seen.size === seen.add(value).size);
}
