import { MessageId } from '@paystream/pulsar';
import { describe, expect, it } from 'vitest';
import { addonShim } from './addon-shim.fixture.ts';
import { isBehind, parsePlace, placeBefore, placeOf, textOf, toAddonId } from './message-ids.ts';

describe('message ids of the addon', () => {
  it.each(['10:5:-1', '10:5:-1:0', '9007199254740993:0:3:17'])(
    '%s is the text that @paystream/pulsar gives it, and comes back as it was',
    (text) => {
      const id = toAddonId(addonShim, parsePlace(text));
      expect(textOf(placeOf(id))).toBe(text);
      expect(MessageId.parse(text).toString()).toBe(text);
    },
  );

  it('have a place before them, also the first message of a ledger', () => {
    const preceding = (text: string): string => toAddonId(addonShim, placeBefore(parsePlace(text))).toString();
    expect(preceding('10:5:2:7')).toBe('(10,5,2,6)');
    // Behind all of a batch, if that is what lies there.
    expect(preceding('10:5:-1')).toBe('(10,4,-1,2147483647)');
    expect(preceding('10:5:2:0')).toBe('(10,4,2,2147483647)');
    expect(preceding('10:0:-1')).toBe('(10,-1,-1,2147483647)');
  });

  it('of a message in chunks are those of its last one', () => {
    expect(textOf(placeOf({ toString: () => '(10,5,-1,-1);(10,9,-1,-1)', serialize: () => Buffer.alloc(0) }))).toBe('10:9:-1');
  });

  it('are in order', () => {
    const [a, b, c, d] = ['9:7:-1', '10:0:-1:0', '10:0:-1:1', '10:1:-1:0'].map(parsePlace);
    for (const [one, other] of [
      [b, a],
      [c, b],
      [d, c],
    ] as const) {
      expect(one !== undefined && other !== undefined && isBehind(one, other) && !isBehind(other, one)).toBe(true);
    }
  });

  it.each(['', '10', '10:5', '10:5:-1:0:1', '-1:-1:-1', 'a:b:c'])('"%s" is refused: the addon would end the process', (text) => {
    expect(() => parsePlace(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'BAD_OPTIONS' }));
  });
});
