import { expect, it } from 'vitest';
import { createOutbox } from '../outbox/outbox.ts';
import type { Database, DatabaseCallOptions } from '../sql/port.ts';
import { addTexts, freezable, mortal, published, textTopic } from './database-subject.ts';
import { createTestWorld } from './test-world.ts';

it('gives all that was published, more than a consumer may leave unacknowledged', async () => {
  await using world = await createTestWorld();
  const topic = textTopic('many');
  const all = Array.from({ length: 1_044 }, (_, n) => `k-${n}`);
  const outbox = await createOutbox(world);
  await world.database.transaction((tx) => addTexts(outbox, tx, topic, ...all));
  let done = false;
  const given = published(world, topic.name, all.length).finally(() => {
    done = true;
  });
  await Promise.all([given, world.runUntil(() => done)]);
  expect(await given).toEqual(all);
  await outbox.close();
});

it.each([
  { name: 'can die', decorated: (database: Database) => mortal(database).database },
  { name: 'can stand still', decorated: (database: Database) => freezable(database).database },
])('a process that $name renews its leases as urgently as one that does not', async ({ decorated }) => {
  const seen: (DatabaseCallOptions | undefined)[] = [];
  const note = (options?: DatabaseCallOptions) => {
    seen.push(options);
    return Promise.resolve();
  };
  const given = {
    transaction: (_work: unknown, options?: DatabaseCallOptions) => note(options),
    query: (_sql: string, _parameters: unknown, options?: DatabaseCallOptions) => note(options),
    now: note,
  } as unknown as Database;
  const database = decorated(given);
  const urgent: DatabaseCallOptions = { urgent: true };
  await database.transaction(async () => undefined, urgent);
  await database.query('SELECT 1', [], urgent);
  await database.now(urgent);
  expect(seen).toEqual([urgent, urgent, urgent]);
});
