import { describe, expect, it } from 'vitest';
import { javaStringHash, murmur3Hash, stickyHash } from './hash.ts';

// Of the classes of the Java client 4.0.7: a key, its two hashes, and its slot.
const vectors: readonly (readonly [string, number, number, number])[] = [
  ['', 0, 0, 0],
  ['a', 97, 1009084850, 27058],
  ['ab', 3105, 465557343, 55135],
  ['abc', 96354, 870159354, 37882],
  ['abcd', 2987074, 1139631978, 26474],
  ['k1', 3366, 2110152746, 24618],
  ['k2', 3367, 1479966664, 32712],
  ['key1', 3288498, 462881061, 293],
  ['key2', 3288499, 1936800180, 14772],
  ['key01', 101943456, 39696932, 47652],
  ['key02', 101943457, 751761803, 63883],
  ['hello', 99162322, 613153351, 64071],
  ['order-12345', 478832884, 1785094598, 25030],
  ['persistent://public/default/t', 2131568547, 1850889519, 21807],
  ['日本語', 25921943, 631534231, 29335],
  ['😀', 1772899, 1051995898, 12026],
  ['é', 233, 269551495, 1927],
  ['The quick brown fox jumps over the lazy dog', 1538055507, 776992547, 63267],
];

describe('hashes of keys', () => {
  it.each(vectors)('"%s" goes where the Java client sends it', (key, java, murmur, slot) => {
    expect([javaStringHash(key), murmur3Hash(key), stickyHash(key)]).toEqual([java, murmur, slot]);
    expect([murmur3Hash(Buffer.from(key)), stickyHash(Buffer.from(key))]).toEqual([murmur, slot]);
  });

  it('take bytes that are no text', () => {
    expect(murmur3Hash(Buffer.from('00ff807f01', 'hex'))).toBe(720622744);
  });
});
