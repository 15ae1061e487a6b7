import { createHash } from 'node:crypto';

const longest = 255;
const kept = 200;

/**
 * A text as keys of tables hold it: as it is, but of one with more than 255 characters the first 200 and a digest of the
 * whole, so that different texts stay different.
 */
export function keyText(text: string): string {
  if (text.length <= longest) return text;
  return `${text.slice(0, kept).toWellFormed()}…${createHash('sha256').update(text).digest('base64url')}`;
}
