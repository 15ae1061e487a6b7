import { describe, expect, it } from 'vitest';
import { type AddressedMessage, packMessages } from '../broker/pack.ts';
import { decodeContent, encodeContent } from './content.ts';

const events = (count: number): AddressedMessage[] =>
  Array.from({ length: count }, (_, index) => ({
    topic: 'orders',
    message: {
      payload: Buffer.from(`what was ordered: ${index}`),
      key: `order-${index}`,
      properties: { 'content-type': 'text/plain' },
      eventTimeMs: index,
      deliverAtMs: undefined,
    },
  }));

describe('the content of an outbox row', () => {
  it.each([1, 2, 500])('comes back as it was: %i events', (count) => {
    const { content, bytes } = encodeContent(events(count));
    expect(decodeContent(content)).toEqual({ messages: events(count), bytes });
  });

  it('takes the database a part of what it is in memory', () => {
    const { content, bytes } = encodeContent(events(500));
    expect(bytes).toBe(packMessages(events(500)).length);
    expect(content.length).toBeLessThan(bytes / 4);
  });

  it('is read as it was written before it was compressed', () => {
    expect(decodeContent(packMessages(events(500))).messages).toEqual(events(500));
  });

  it('is refused when it was damaged, never read wrongly', () => {
    const { content } = encodeContent(events(500));
    for (const at of [0, 1, 5, content.length >> 1, content.length - 1]) {
      const damaged = Uint8Array.from(content);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      expect(() => decodeContent(damaged)).toThrow();
    }
    expect(() => decodeContent(content.subarray(0, content.length - 3))).toThrow();
    expect(() => decodeContent(new Uint8Array(0))).toThrow();
  });
});
