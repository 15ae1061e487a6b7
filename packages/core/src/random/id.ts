import type { Clock } from '../clock/port.ts';
import type { Random } from './port.ts';

/** Makes ids: each call a new one. */
export type IdGenerator = () => string;

const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const h = (byte: number | undefined): string => hex[byte ?? 0] as string;

/**
 * Makes version 7 UUIDs: they begin with the time, so rows inserted together lie together, and ids of one generator sort
 * in the order in which they were made (a counter in the bits after the time keeps it within a millisecond).
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
 */
export function createIdGenerator(clock: Clock, random: Random): IdGenerator {
  const tail = new Uint8Array(8);
  let last = 0;
  let counter = 0;
  let prefix = '';
  return () => {
    const now = clock.now();
    random.fill(tail);
    if (now > last) {
      last = now;
      counter = (tail[0] as number) << 2;
      prefix = '';
    } else if (++counter > 0xfff) {
      last += 1;
      counter = 0;
      prefix = '';
    }
    if (prefix === '') {
      const time = last.toString(16).padStart(12, '0');
      prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    }
    const variant = ((tail[1] as number) & 0x3f) | 0x80;
    return `${prefix}${h(counter >>> 8)[1]}${h(counter & 0xff)}-${h(variant)}${h(tail[2])}-${h(tail[3])}${h(tail[4])}${h(tail[5])}${h(tail[6])}${h(tail[7])}${h((tail[0] as number) ^ (tail[1] as number))}`;
  };
}
