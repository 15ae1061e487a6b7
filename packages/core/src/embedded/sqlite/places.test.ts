import { expect, it } from 'vitest';
import { placesIn } from './places.ts';

it.each([
  ['SELECT 1', 0],
  ['INSERT INTO t (a, b) VALUES (?, ?)', 2],
  ['SELECT \'?\', \'it\'\'s ?\', "?", "a""?", `?`, [?], ? -- ?\n, ? /* ? */, ?', 3],
  ["SELECT a ->> '$.b' FROM t WHERE c = ?", 1],
  ['SELECT ? /* never ended ?', 1],
  ['SELECT ?1, ?1', undefined],
  ['SELECT :a', undefined],
  ['SELECT @a, $b', undefined],
])('counts the parameters of %s', (sql, places) => {
  expect(placesIn(sql)).toBe(places);
});
