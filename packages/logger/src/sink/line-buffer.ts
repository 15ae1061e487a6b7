/** Gathers lines as bytes in memory that is used again. */
export interface LineBuffer {
  add(line: string): void;
  /** All lines since the last call. Good until the next `add`. */
  take(): Uint8Array;
}

const usualBytes = 1_048_576;
const mostBytesPerUnit = 3;

/** Encoding line by line into one buffer costs half of joining the lines and encoding the whole. */
export function createLineBuffer(): LineBuffer {
  let buffer = Buffer.allocUnsafe(usualBytes);
  let used = 0;

  const grow = (least: number): void => {
    const larger = Buffer.allocUnsafe(Math.max(least, buffer.length * 2));
    buffer.copy(larger, 0, 0, used);
    buffer = larger;
  };

  return {
    add: (line) => {
      const least = used + line.length * mostBytesPerUnit;
      if (least > buffer.length) grow(least);
      used += buffer.write(line, used);
    },
    take: () => {
      const bytes = buffer.subarray(0, used);
      used = 0;
      // One huge batch must not hold its memory for ever.
      if (buffer.length > 8 * usualBytes) buffer = Buffer.allocUnsafe(usualBytes);
      return bytes;
    },
  };
}
