/** The only source of randomness. The system's is the default everywhere; tests pass a seeded one. */
export interface Random {
  /** Fills the array with random bytes and returns it. */
  fill(bytes: Uint8Array): Uint8Array;
  /** A number from 0, inclusive, to 1, exclusive. */
  next(): number;
}
