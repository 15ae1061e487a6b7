import { ByteWriter } from './byte-writer.ts';

const FIRST = 4 * 1024;
/** What one large key or a long list needs beyond is not kept. */
const LARGEST = 128 * 1024;

/**
 * A place to write to before the size of what is written is known: each call gives a writer with room for so many bytes, in
 * the memory of the call before.
 */
export function createScratch(): (bytes: number) => ByteWriter {
  const writer = new ByteWriter(Buffer.allocUnsafeSlow(FIRST));
  return (bytes) => {
    if (bytes > LARGEST) return new ByteWriter(Buffer.allocUnsafeSlow(bytes));
    if (bytes > writer.buffer.length) writer.buffer = Buffer.allocUnsafeSlow(Math.min(LARGEST, bytes * 2));
    writer.at = 0;
    return writer;
  };
}
