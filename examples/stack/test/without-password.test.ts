import { expect, it } from 'vitest';
import { withoutPassword } from '../src/config/without-password.ts';

it.each([
  ['mysql://user:secret@db:3306/paystream', 'mysql://user:***@db:3306/paystream'],
  ['mysql://user:se@cr:et@db/paystream', 'mysql://user:***@db/paystream'],
  ['mysql://admin@server:secret@db/paystream', 'mysql://admin@server:***@db/paystream'],
  ['mysql://user@db:3306/paystream', 'mysql://user@db:3306/paystream'],
  ['mysql://:secret@db/paystream', 'mysql://:***@db/paystream'],
  ['mysql://user@db/paystream?name=a:b@c', 'mysql://user@db/paystream?name=a:b@c'],
  ['mysql://db/paystream', 'mysql://db/paystream'],
])('%s', (url, shown) => {
  expect(withoutPassword(url)).toBe(shown);
});
