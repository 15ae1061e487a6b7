import { expect, it } from 'vitest';
import { keyText } from './key-text.ts';

it('keeps ids apart that differ only behind what a key can hold', () => {
  const [a, b] = [keyText(`${'🙂'.repeat(300)}a`), keyText(`${'🙂'.repeat(300)}b`)];
  expect(a).not.toBe(b);
  expect(a).toMatch(/^🙂{100}…[\w-]{43}$/u);
  expect(keyText(`x${'🙂'.repeat(300)}`).isWellFormed()).toBe(true);
  expect(keyText('x'.repeat(255))).toBe('x'.repeat(255));
});
