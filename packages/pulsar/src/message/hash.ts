/** A hash of a routing key, never negative. */
export type KeyHash = (key: string) => number;

/** Java's `String.hashCode`, over UTF-16, without its sign. */
export function javaStringHash(key: string): number {
  let hash = 0;
  for (let at = 0; at < key.length; at++) hash = (Math.imul(31, hash) + key.charCodeAt(at)) | 0;
  return hash & 0x7fff_ffff;
}

/** MurmurHash3 (x86, 32 bits, seed 0) without its sign; text is hashed as UTF-8. */
export function murmur3Hash(key: string | Uint8Array): number {
  const bytes = typeof key === 'string' ? Buffer.from(key, 'utf8') : key;
  const { length } = bytes;
  const tail = length & ~3;
  let hash = 0;
  for (let at = 0; at < tail; at += 4) {
    const block =
      (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
    hash ^= mixed(block);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe654_6b64) | 0;
  }
  let block = 0;
  for (let at = length - 1; at >= tail; at--) block = (block << 8) | (bytes[at] as number);
  if (length > tail) hash ^= mixed(block);
  hash ^= length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) & 0x7fff_ffff;
}

function mixed(block: number): number {
  const product = Math.imul(block, 0xcc9e_2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b87_3593);
}

/** How many slots the sticky hash has: ranges of key-shared consumers lie in 0…65535. */
const STICKY_SLOTS = 65_536;

/** The slot that a key-shared subscription dispatches by: of the ordering key, or else of the key's bytes. Brokers of 4.0 take slot 0 for 1. */
export function stickyHash(key: string | Uint8Array): number {
  return murmur3Hash(key) % STICKY_SLOTS;
}
