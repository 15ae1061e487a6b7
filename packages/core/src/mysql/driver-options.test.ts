import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { driverOptions } from './driver-options.ts';

it('connections are probed while they lie idle, well before what stands between forgets them', () => {
  const { pool } = driverOptions({ url: 'mysql://app:secret@db/shop' });
  expect(pool).toMatchObject({ enableKeepAlive: true, keepAliveInitialDelay: 30_000 });
});

it.each(['us%er:hunter2@db/shop', 'user:hunter2%@db/shop', 'user:hunter2%zz@db/shop', 'user:hunter2@db/sh%op', 'user:hunter2%ff@db/shop'])(
  'an address whose % stands for itself is refused in words, and shown to nobody: %s',
  (address) => {
    let thrown: unknown;
    try {
      driverOptions({ url: `mysql://${address}` });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_MYSQL_URL' });
    expect(String(thrown)).toMatch(/has a % in user, password or database that is not percent-encoded \(as %25\)/);
    expect(inspect(thrown, { depth: Number.POSITIVE_INFINITY })).not.toContain('hunter2');
  },
);

it('an address is decoded, and a password of its own is taken as it is', () => {
  expect(driverOptions({ url: 'mysql://us%40er:100%25@db/sh%6Fp' }).pool).toMatchObject({
    user: 'us@er',
    password: '100%',
    database: 'shop',
  });
  expect(driverOptions({ url: 'mysql://user@db/shop', password: '100%' }).pool).toMatchObject({ password: '100%' });
});
