import { describe, expect, it } from 'vitest';
import { isPlainPattern, matchPlain } from './plain-pattern.ts';

describe('a pattern', () => {
  it.each([
    ['^[A-Za-z0-9_.:-]+$', 'pm_card.visa:1-2', 'pm card'],
    ['^\\+[1-9][0-9]{6,14}$', '+4930123456', '+0930123456'],
    ['^[A-Z]{3}$', 'EUR', 'EURO'],
    ['^order-[0-9]{4}x?$', 'order-1234', 'order-123'],
    ['^$', '', '\n'],
    ['^a b:c$', 'a b:c', 'a b:c\n'],
  ])('as plain as %s is matched as RE2 would', (pattern, good, bad) => {
    expect(isPlainPattern(pattern)).toBe(true);
    expect(matchPlain(pattern, good)).toBe(true);
    expect(matchPlain(pattern, bad)).toBe(false);
    expect(matchPlain(pattern, `${good}\u{1f600}`)).toBe(false);
  });

  it.each([
    'abc',
    '^abc',
    '^a+b+$',
    '^[a-z]*[a-z]{2,9}$',
    '^(a+)+$',
    '^a|b$',
    '^.$',
    '^\\d$',
    '^[^a]$',
    '^[\\d]$',
    '^(?i)a$',
    '^(?=a)a$',
    '^a\\1$',
    '^a{2}{3}$',
    '^a+?$',
    '^a{,3}$',
    '^a\\$',
    '^\\pL$',
    '^ä$',
  ])('that is not, such as %s, is left to RE2', (pattern) => {
    expect(isPlainPattern(pattern)).toBe(false);
    expect(() => matchPlain(pattern, 'a')).toThrow(RangeError);
  });
});
