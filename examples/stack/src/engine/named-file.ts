import { readFile } from 'node:fs/promises';
import { PaystreamError } from '@paystream/core';

/** Reads the file that a setting names. Throws `INVALID_ARGUMENT`, naming setting and file, if it cannot. */
export async function readNamed(setting: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new PaystreamError('INVALID_ARGUMENT', `${setting} names a file that cannot be read: ${why}`, {
      reason: 'INVALID_SETTINGS',
      cause,
    });
  }
}
