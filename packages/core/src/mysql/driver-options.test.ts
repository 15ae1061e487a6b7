import { expect, it } from 'vitest';
import { driverOptions } from './driver-options.ts';

it('connections are probed while they lie idle, well before what stands between forgets them', () => {
  const { pool } = driverOptions({ url: 'mysql://app:secret@db/shop' });
  expect(pool).toMatchObject({ enableKeepAlive: true, keepAliveInitialDelay: 30_000 });
});
