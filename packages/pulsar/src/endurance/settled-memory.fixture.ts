// For programs that run with --expose-gc.

/** Bytes that the process holds, in its heap and outside it, once all that can go is gone. */
export async function settledBytes(): Promise<number> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('run it with --expose-gc');
  // What finalizers and closing sockets let go is gone a few turns later.
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
