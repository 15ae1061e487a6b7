import { readFileSync } from 'node:fs';
import type { FieldViolation } from '@paystream/core';

/** Settings by name, as they were given. */
export type Given = Readonly<Record<string, string | undefined>>;

const suffix = '_FILE';

/** The setting whose file this one names. */
export function secretOf(fileSetting: string): string {
  return fileSetting.slice(0, -suffix.length);
}

function reasonOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  return code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${String(code)})`;
}

/**
 * Puts the contents of files in the place of the settings that name them: `PAYSTREAM_API_KEYS_FILE` gives
 * `PAYSTREAM_API_KEYS`, as container platforms hand over secrets. Line breaks at the end are not
 * part of the secret: the image of MySQL, which reads the same file, drops all of them too.
 */
export function readSecretFiles(
  given: Given,
  secrets: ReadonlySet<string>,
): { readonly settings: Given; readonly faults: FieldViolation[] } {
  const settings: Record<string, string | undefined> = { ...given };
  const faults: FieldViolation[] = [];
  for (const secret of secrets) {
    const field = `${secret}${suffix}`;
    const path = settings[field];
    delete settings[field];
    if (path === undefined || path === '') continue;
    if (settings[secret] !== undefined && settings[secret] !== '') {
      faults.push({ field, description: `names a file, but ${secret} is set too: give one of them` });
      continue;
    }
    try {
      settings[secret] = readFileSync(path, 'utf8').replace(/[\r\n]+$/, '');
      if (settings[secret] === '') faults.push({ field, description: `${JSON.stringify(path)}: the file is empty` });
    } catch (error) {
      faults.push({ field, description: `${JSON.stringify(path)}: ${reasonOf(error)}` });
    }
  }
  return { settings, faults };
}
