import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The lines of JSON in the files of a folder whose names match. */
export function jsonLines(directory: string, pattern: RegExp): readonly Record<string, unknown>[] {
  return readdirSync(directory)
    .filter((name) => pattern.test(name))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** One field of each of these lines, which may be too many to have in memory. */
export async function fieldOfLines(directory: string, pattern: RegExp, field: string): Promise<readonly string[]> {
  const values: string[] = [];
  for (const name of readdirSync(directory).filter((one) => pattern.test(one))) {
    for await (const line of createInterface({ input: createReadStream(join(directory, name)) })) {
      if (line !== '') values.push(String((JSON.parse(line) as Record<string, unknown>)[field]));
    }
  }
  return values;
}

/** Those values that came before. */
export function twice(values: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return values.filter((value) => seen.size === seen.add(value).size);
}

/** Those values of the first list that the second lacks. */
export function missing(from: readonly string[], others: readonly string[]): readonly string[] {
  const there = new Set(others);
  return from.filter((value) => !there.has(value));
}
