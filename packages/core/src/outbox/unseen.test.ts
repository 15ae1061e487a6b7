import { expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Database } from '../sql/port.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { commit, contents, outboxIn, rowCount, withProducer } from './test-support.ts';

it('what waits in the table is published within seconds, though another node of the database does not show it at first, and is looked for no more', async () => {
  await using world = await createTestWorld();
  let down = true;
  let behind = true;
  let missed = 0;
  let scans = 0;
  const broker = withProducer(world.broker, (producer) => ({
    ...producer,
    sendAll: (messages) =>
      down ? Promise.reject(new PaystreamError('UNAVAILABLE', 'the broker is away', { reason: 'TEST' })) : producer.sendAll(messages),
  }));
  const database: Database = {
    ...world.database,
    query: async <R>(...[sql, ...rest]: Parameters<Database['query']>) => {
      if (sql.startsWith('SELECT seq, added_at')) scans += 1;
      if (!behind || !sql.startsWith('SELECT seq, content')) return world.database.query<R>(sql, ...rest);
      missed += 1;
      return [];
    },
  };
  const outbox = await outboxIn(world, { broker, database, maxPendingEvents: 1 });
  for (const text of ['a1', 'a2', 'b1']) await commit(database, outbox, text);
  down = false;
  await world.advance(1_000);
  expect(missed).toBeGreaterThan(0);
  behind = false;
  await world.advance(10_000);
  expect((await contents(world.broker)).toSorted()).toEqual(['a1', 'a2', 'b1']);
  expect(await rowCount(world.database)).toBe(0);
  expect(outbox.pending).toBe(0);
  // Not for ever: each look reads all that waits.
  await world.advance(120_000);
  scans = 0;
  await world.advance(120_000);
  expect(scans).toBe(0);
  await outbox.close();
});
