import { expect, it } from 'vitest';
import type { Database, Transaction } from '../sql/port.ts';
import { losingAnswers } from '../testing/losing-answers.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { commit, contents, events, foreign, outboxIn, rowCount, type TestOutbox, withProducer } from './test-support.ts';

const insert = /INSERT INTO \S*outbox \(/;

/** A commit that took place, of which nobody is told. */
async function commitUnheard(link: ReturnType<typeof losingAnswers>, outbox: TestOutbox, text: string): Promise<void> {
  link.loseNext(insert);
  await expect(commit(link.database, outbox, text)).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN' });
}

/** The same transaction, whose answer is said to be lost when `tell` is called. */
function unheard(tx: Transaction): { tx: Transaction; tell(): void } {
  let tell = (): void => undefined;
  const onCommit: Transaction['onCommit'] = (_, unknown = tell) => {
    tell = unknown;
  };
  return { tx: { execute: tx.execute.bind(tx), executeMany: tx.executeMany.bind(tx), onCommit }, tell: () => tell() };
}

/** A commit that did not take place, of which nobody is told either. */
async function failUnheard(database: Database, outbox: TestOutbox, text: string): Promise<void> {
  let tell = (): void => undefined;
  const failing = database.transaction(async (tx) => {
    const lost = unheard(tx);
    tell = lost.tell;
    await outbox.add(lost.tx, events(text));
    throw new Error('the connection was lost');
  });
  await expect(failing).rejects.toThrow('the connection was lost');
  tell();
}

it('publishes a commit of which it was not told before the next ones', async () => {
  await using world = await createTestWorld();
  const link = losingAnswers(world.database);
  const outbox = await outboxIn(world, { database: link.database });
  await commitUnheard(link, outbox, 'a1');
  await commit(link.database, outbox, 'a2');
  await world.advance(100);
  expect(await contents(world.broker)).toEqual(['a1', 'a2']);
  expect(await rowCount(world.database)).toBe(0);
  expect(outbox.pending).toBe(0);
  await outbox.close();
});

it('waits no longer for one that did not take place than until the table was asked', async () => {
  await using world = await createTestWorld();
  const outbox = await outboxIn(world);
  await failUnheard(world.database, outbox, 'a1');
  await commit(world.database, outbox, 'a2');
  await world.advance(20);
  expect(await contents(world.broker)).toEqual(['a2']);
  await commit(world.database, outbox, 'a3');
  await world.clock.settle();
  expect(await contents(world.broker)).toEqual(['a2', 'a3']);
  await outbox.flush();
  await outbox.close();
});

it('keeps the order of all of them while the table cannot be asked', async () => {
  await using world = await createTestWorld();
  let away = true;
  const link = losingAnswers({
    ...world.database,
    query: (sql, ...rest) =>
      away && sql.startsWith('SELECT seq') ? Promise.reject(new Error('away')) : world.database.query(sql, ...rest),
  });
  const outbox = await outboxIn(world, { database: link.database });
  await commit(link.database, outbox, 'a1');
  await commitUnheard(link, outbox, 'a2');
  await commit(link.database, outbox, 'a3');
  await failUnheard(link.database, outbox, 'a4');
  await commitUnheard(link, outbox, 'a5');
  await commit(link.database, outbox, 'a6');
  await world.advance(3_000);
  expect(await contents(world.broker)).toEqual(['a1']);
  away = false;
  await world.advance(1_000);
  expect(await contents(world.broker)).toEqual(['a1', 'a2', 'a3', 'a5', 'a6']);
  await world.advance(10_000);
  expect(await contents(world.broker)).toEqual(['a1', 'a2', 'a3', 'a5', 'a6']);
  expect(await rowCount(world.database)).toBe(0);
  expect(outbox.pending).toBe(0);
  await outbox.close();
});

it('closes in time while the table cannot be asked, and leaves what waits to the next one', async () => {
  await using world = await createTestWorld();
  let away = false;
  const link = losingAnswers({
    ...world.database,
    query: (sql, ...rest) =>
      away && sql.startsWith('SELECT seq') ? Promise.reject(new Error('away')) : world.database.query(sql, ...rest),
  });
  const outbox = await outboxIn(world, { database: link.database });
  away = true;
  await commitUnheard(link, outbox, 'a1');
  await commit(link.database, outbox, 'a2');
  const closing = outbox.close(1_000);
  await world.advance(1_000);
  await closing;
  const next = await outboxIn(world);
  await next.flush();
  expect(await contents(world.broker)).toEqual(['a1', 'a2']);
  await next.close();
});

it('publishes once what a sweep found before it was known that the answer is lost', async () => {
  await using world = await createTestWorld();
  let away = true;
  const broker = withProducer(world.broker, (producer) => ({
    ...producer,
    sendAll: (messages) => (away ? Promise.reject(new Error('away')) : producer.sendAll(messages)),
  }));
  const outbox = await outboxIn(world, { broker });
  await world.database.transaction((tx) => outbox.add(foreign(tx), events('b1')));
  const tell = await world.database.transaction(async (tx) => {
    const lost = unheard(tx);
    await outbox.add(lost.tx, events('a1'));
    return lost.tell;
  });
  await world.advance(6_000);
  expect(outbox.pending).toBe(2);
  tell();
  await commit(world.database, outbox, 'a2');
  away = false;
  await world.advance(6_000);
  expect(await contents(world.broker)).toEqual(['b1', 'a1', 'a2']);
  expect(outbox.pending).toBe(0);
  await outbox.close();
});
