const bits = 18;
/** How many buckets there are. */
export const bucketCount: number = 2 ** bits;

/** Where a key is counted, and what it counts for. */
function hashOf(key: string): readonly [bucket: number, value: number] {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return [a >>> (32 - bits), b];
}

/** The bucket of a key: one of some 262,000. */
export function bucketOf(key: string): number {
  return hashOf(key)[0];
}

/**
 * Two heaps of keys, of any size and in any order, compared in one megabyte: keys are summed up by bucket, and where a key is
 * missing on one side, or is there twice, the sums of its bucket differ (but for one time in four thousand million).
 */
export interface KeySketch {
  /** Counts a key of the one side. */
  add(key: string): void;
  /** Counts a key of the other side. */
  take(key: string): void;
  /** The buckets whose keys are not the same on both sides, in ascending order: the first so many from a bucket on. */
  differing(most: number, from?: number): ReadonlySet<number>;
}

export function createKeySketch(): KeySketch {
  const sums = new Int32Array(bucketCount);
  const count = (key: string, sign: 1 | -1): void => {
    const [bucket, value] = hashOf(key);
    sums[bucket] = ((sums[bucket] ?? 0) + sign * value) | 0;
  };
  return {
    add: (key) => count(key, 1),
    take: (key) => count(key, -1),
    differing: (most, from = 0) => {
      const found = new Set<number>();
      for (let bucket = from; bucket < bucketCount && found.size < most; bucket++) if (sums[bucket] !== 0) found.add(bucket);
      return found;
    },
  };
}
