import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AddressedMessage, packMessages, unpackMessages } from './pack.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const time = fc.option(fc.maxSafeNat(), { nil: undefined });
const message: fc.Arbitrary<AddressedMessage> = fc.record({
  topic: fc.oneof(fc.constant('orders'), text),
  message: fc.record({
    payload: fc.uint8Array({ maxLength: 300 }),
    key: fc.option(text, { nil: undefined }),
    properties: fc.dictionary(text, text, { maxKeys: 5, noNullPrototype: true }),
    eventTimeMs: time,
    deliverAtMs: time,
  }),
});

describe('packed messages', () => {
  it('give back every byte, key, property and time that was put in', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 50 }), (messages) => {
        expect(unpackMessages(packMessages(messages))).toEqual(
          messages.map((one) => ({ ...one, message: { ...one.message, payload: Buffer.from(one.message.payload) } })),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('give back a property whose name objects treat as their prototype', () => {
    const properties = JSON.parse('{"__proto__":"kept","other":"too"}') as Record<string, string>;
    const [unpacked] = unpackMessages(packMessages([{ topic: 'a', message: { payload: new Uint8Array(), properties } }]));
    expect(Object.entries(unpacked?.message.properties ?? {})).toEqual([
      ['__proto__', 'kept'],
      ['other', 'too'],
    ]);
  });

  it('grow beyond any first guess of their size', () => {
    const payload = new Uint8Array(3_000_000).fill(7);
    const [first, second] = unpackMessages(
      packMessages([
        { topic: 'a', message: { payload } },
        { topic: 'b', message: { payload: new Uint8Array(1) } },
      ]),
    );
    expect(Buffer.compare(first?.message.payload ?? new Uint8Array(), payload)).toBe(0);
    expect(second?.topic).toBe('b');
  });

  it('are refused when cut or changed in their structure, never read wrongly beyond their end', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), fc.nat(), (messages, cut) => {
        const packed = packMessages(messages);
        const part = packed.subarray(0, cut % packed.length);
        expect(() => unpackMessages(part)).toThrow(expect.objectContaining({ reason: 'PACKED_MESSAGES_DAMAGED' }));
      }),
      { numRuns: 200 },
    );
    expect(() => unpackMessages(new Uint8Array([9, 0]))).toThrow('version 9');
    expect(() => unpackMessages(new Uint8Array([1, 0, 0]))).toThrow('goes on');
  });
});
