import { readText } from './byte-reader.ts';

const LONGEST = 40;
const SLOTS = 256;

/** Names that were read before, one a slot. */
const names: (string | undefined)[] = new Array<string | undefined>(SLOTS).fill(undefined);

/**
 * Text that is mostly the same few names again and again: comparing with the one seen last costs less than making a string,
 * and much less than making one that an object has not had as a key yet.
 */
export function readName(buffer: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length === 0 || length > LONGEST) return readText(buffer, start, end);
  const slot = (length * 61 + (buffer[start] as number) * 7 + (buffer[end - 1] as number)) % SLOTS;
  const name = names[slot];
  if (name !== undefined && name.length === length && isText(name, buffer, start)) return name;
  const text = readText(buffer, start, end);
  names[slot] = text;
  return text;
}

function isText(name: string, buffer: Buffer, start: number): boolean {
  for (let n = 0; n < name.length; n++) {
    const code = name.charCodeAt(n);
    // Beyond ASCII a byte is not a character.
    if (code !== buffer[start + n] || code > 0x7f) return false;
  }
  return true;
}
