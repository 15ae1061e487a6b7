import { randomFillSync } from 'node:crypto';
import type { Random } from './port.ts';

const pool = new Uint8Array(4096);
let used = pool.length;

function fill(bytes: Uint8Array): Uint8Array {
  if (bytes.length > pool.length) return randomFillSync(bytes);
  if (used + bytes.length > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  bytes.set(pool.subarray(used, used + bytes.length));
  used += bytes.length;
  return bytes;
}

/** Cryptographically strong randomness of the platform, drawn in blocks. */
export const systemRandom: Random = { fill, next: () => Math.random() };
