import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OutgoingMessage } from '../../broker/port.ts';
import { type Entry, toEntries, toStored } from './entry.ts';
import { packEntry, unpackEntry } from './entry-codec.ts';

const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.string({ unit: 'binary', minLength: 100, maxLength: 300 }));
const message: fc.Arbitrary<OutgoingMessage> = fc.record(
  {
    payload: fc.uint8Array({ maxLength: 400 }),
    key: text,
    properties: fc.dictionary(text, text, { maxKeys: 4 }),
    eventTimeMs: fc.double({ noNaN: true }),
    deliverAtMs: fc.integer({ min: 0, max: 2 ** 45 }),
  },
  { requiredKeys: ['payload'] },
);
const wellFormed = (value: string): string => value.toWellFormed();

function entryOf(messages: readonly OutgoingMessage[]): Entry {
  return toEntries(messages.map(toStored), 1_000, 5, Number.POSITIVE_INFINITY)[0] as Entry;
}

describe('an entry', () => {
  it('comes back from the file as it was published', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (messages) => {
        const entry = entryOf(messages);
        const unpacked = unpackEntry(entry.first, entry.messages.length, entry.timeMs, packEntry(entry));
        expect(unpacked.end).toBe(entry.end);
        expect(unpacked.messages.length).toBe(messages.length);
        unpacked.messages.forEach((one, index) => {
          const sent = messages[index] as OutgoingMessage;
          expect(one.sequence).toBe(1_000 + index);
          expect(one.publishTimeMs).toBe(5);
          expect(Buffer.compare(one.payload, sent.payload)).toBe(0);
          expect(one.key).toBe(sent.key === undefined ? undefined : wellFormed(sent.key));
          const properties = Object.entries(sent.properties ?? {}).map(([name, value]) => [wellFormed(name), wellFormed(value)]);
          expect(Object.entries(one.properties).sort()).toEqual(Object.entries(Object.fromEntries(properties)).sort());
          expect(one.eventTimeMs).toBe(sent.eventTimeMs);
          expect(one.deliverAtMs).toBe(sent.deliverAtMs);
        });
      }),
    );
  });

  it('has payloads of its own: what the sender does with theirs afterwards changes nothing', () => {
    const payload = Uint8Array.of(1, 2, 3);
    const entry = entryOf([{ payload }, { payload: new Uint8Array(300_000).fill(7) }]);
    packEntry(entry);
    payload.fill(0);
    expect([...(entry.messages[0]?.payload ?? [])]).toEqual([1, 2, 3]);
    expect(entry.messages[1]?.payload.every((byte) => byte === 7)).toBe(true);
  });

  it('that is damaged is reported as a loss of data, not delivered', () => {
    const packed = packEntry(entryOf([{ payload: Uint8Array.of(1, 2, 3), key: 'key', properties: { a: 'b' } }]));
    for (let length = 0; length < packed.length; length++) {
      expect(() => unpackEntry(0, 1, 0, packed.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'DATA_LOSS', reason: 'ENTRY_DAMAGED' }),
      );
    }
    expect(() => unpackEntry(0, 1, 0, Uint8Array.of(...packed, 0))).toThrow(expect.objectContaining({ code: 'DATA_LOSS' }));
    expect(() => unpackEntry(0, 2, 0, packed)).toThrow(expect.objectContaining({ code: 'DATA_LOSS' }));
  });
});
