import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PING_FRAME } from './commands.ts';
import { FrameDecoder } from './frame-decoder.ts';

/** A frame of so many bytes of command and payload. */
function frameOf(command: Uint8Array, payload: Uint8Array): Buffer {
  const frame = Buffer.concat([Buffer.alloc(8), command, payload]);
  frame.writeUInt32BE(frame.length - 4, 0);
  frame.writeUInt32BE(command.length, 4);
  return frame;
}

/** The stream cut at those places. */
function cut(stream: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  return at.slice(1).map((end, n) => Buffer.from(stream.subarray(at[n], end)));
}

const protocol = expect.objectContaining({ code: 'PROTOCOL' });

describe('frames', () => {
  it('come out whole and in order, wherever the stream is cut', () => {
    const frame = fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 400, size: 'max' }));
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 60 }), fc.boolean(), (parts, places, everywhere) => {
        const frames = parts.map(([command, payload]) => frameOf(command, payload));
        const stream = Buffer.concat(frames);
        const seen: Buffer[] = [];
        const decoder = new FrameDecoder((buffer, start, end) => seen.push(Buffer.from(buffer.subarray(start, end))));
        const chunks = everywhere ? cut(stream, [...stream.keys()]) : cut(stream, places);
        for (const chunk of chunks) decoder.push(chunk);
        expect(Buffer.concat(seen).equals(Buffer.concat(frames.map((whole) => whole.subarray(4))))).toBe(true);
        expect(seen).toHaveLength(frames.length);
        expect(decoder.heldBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('within a chunk are not copied', () => {
    const chunk = Buffer.concat([PING_FRAME, PING_FRAME]);
    const seen: number[] = [];
    const decoder = new FrameDecoder((buffer, start, end) => {
      expect(buffer).toBe(chunk);
      seen.push(start, end);
    });
    decoder.push(chunk);
    expect(seen).toEqual([4, 13, 17, 26]);
  });

  it('stay as they are when more is read', () => {
    const kept: Buffer[] = [];
    const decoder = new FrameDecoder((buffer, start, end) => kept.push(buffer.subarray(start, end)));
    const frames = Array.from({ length: 50 }, (_, n) => frameOf(Buffer.alloc(3, n), Buffer.alloc(50, n)));
    for (const chunk of cut(Buffer.concat(frames), [7, 100, 133, 134, 700, 1001, 1999])) decoder.push(chunk);
    expect(Buffer.concat(kept).equals(Buffer.concat(frames.map((frame) => frame.subarray(4))))).toBe(true);
  });

  it('that are too large end the decoding before they take memory', () => {
    const decoder = new FrameDecoder(() => undefined);
    decoder.setMaxMessageSize(1000);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(1000 + 10_240);
    decoder.push(size);
    decoder.push(Buffer.alloc(5000));
    expect(decoder.heldBytes).toBe(11_240);
    for (const cutAt of [1, 3, 4]) {
      const other = new FrameDecoder(() => undefined);
      other.setMaxMessageSize(1000);
      size.writeUInt32BE(1000 + 10_241);
      expect(() => {
        other.push(size.subarray(0, cutAt));
        other.push(size.subarray(cutAt));
      }).toThrow(protocol);
      expect(other.heldBytes).toBeLessThan(5);
      other.push(PING_FRAME);
    }
  });

  it('that cannot be frames end the decoding', () => {
    for (const hex of ['00000003000000', '00000000', '0000000500000002080012', '00000004ffffffff', '474554202f20485454502f312e31']) {
      expect(() => new FrameDecoder(() => undefined).push(Buffer.from(hex, 'hex')), hex).toThrow(protocol);
    }
  });

  it('end when the sink closes the decoder', () => {
    let count = 0;
    const decoder = new FrameDecoder(() => {
      count += 1;
      decoder.close();
    });
    decoder.push(Buffer.concat([PING_FRAME, PING_FRAME, PING_FRAME.subarray(0, 5)]));
    decoder.push(PING_FRAME);
    expect([count, decoder.heldBytes]).toEqual([1, 0]);
  });
});
