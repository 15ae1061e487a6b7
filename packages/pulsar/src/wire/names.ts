import { type ByteReader, readText } from './byte-reader.ts';

const LONGEST = 40;
const SLOTS = 256;

/** Names that were read before, one a slot. */
const names: (string | undefined)[] = new Array<string | undefined>(SLOTS).fill(undefined);

/**
 * Reads a length and text that is mostly the same few names again and again: comparing with the one seen last costs less than making a string,
 * and much less than making one that an object has not had as a key yet.
 */
export function readName(reader: ByteReader): string {
  const end = reader.length();
  const { buffer, at: start } = reader;
  const length = end - start;
  reader.at = end;
  if (length === 0 || length > LONGEST) return readText(buffer, start, end);
  const slot = (length * 61 + (buffer[start] as number) * 7 + (buffer[end - 1] as number)) % SLOTS;
  const name = names[slot];
  if (name !== undefined && name.length === length && isText(name, buffer, start)) return name;
  const text = readText(buffer, start, end);
  names[slot] = text;
  return text;
}

// Of the same length as its bytes is only text of ASCII, or of replacement characters, which equal no byte.
function isText(name: string, buffer: Buffer, start: number): boolean {
  for (let n = 0; n < name.length; n++) if (name.charCodeAt(n) !== buffer[start + n]) return false;
  return true;
}
