import fc from 'fast-check';
import { expect, it } from 'vitest';
import { eventDateOf } from './event-date.ts';

it('gives each entry the day on which it happened, so that retention removes no other', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (ms) => {
      const date = new Date(ms);
      expect(eventDateOf(ms)).toBe(date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate());
    }),
  );
});
