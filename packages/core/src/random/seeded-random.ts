import type { Random } from './port.ts';

/**
 * The same numbers for the same seed, for tests and simulations. Not for secrets.
 *
 * @see https://prng.di.unimi.it/splitmix64.c for the mixing of the seed; the stream is sfc32
 */
export function createSeededRandom(seed: number): Random {
  let a = 0x9e3779b9 ^ seed;
  let b = 0x243f6a88 ^ Math.imul(seed, 0x85ebca6b);
  let c = 0xb7e15162 ^ Math.imul(seed, 0xc2b2ae35);
  let counter = 1;
  const uint32 = (): number => {
    const mixed = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + mixed;
    return mixed >>> 0;
  };
  for (let i = 0; i < 16; i++) uint32();
  return {
    next: () => uint32() / 2 ** 32,
    fill: (bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = uint32() >>> 24;
      return bytes;
    },
  };
}
