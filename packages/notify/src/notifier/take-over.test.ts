import { createProducer, defineTopic, json, PaystreamError } from '@paystream/core';
import { DeliveryState } from '@paystream/core/contracts';
import type { Database, SqlResult, SqlValue } from '@paystream/core/sql';
import { createTestWorld, losingAnswers, type TestWorld } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Channel, DeliveryOutcome } from '../channel/port.ts';
import { defineTemplate } from '../template/template.ts';
import { createNotifier, type Notifier } from './notifier.ts';

const events = defineTopic({ name: 'events', codec: json(z.object({ n: z.number() })) });

function channelOf(sent: string[], answer: () => Promise<DeliveryOutcome> = async () => ({ outcome: 'delivered' })): Channel {
  return {
    name: 'email',
    capabilities: { idempotent: true },
    deliver: ({ deliveryId }) => {
      sent.push(deliveryId);
      return answer();
    },
  };
}

function start(world: TestWorld, database: Database, email: Channel): Promise<Notifier> {
  const rules = [
    { on: events, to: () => ({ addresses: { email: 'a@example.org' } }), templates: { email: defineTemplate(() => ({ text: 'x' })) } },
  ] as const;
  return createNotifier({ ...world, database, channels: { email }, rules });
}

async function publish(world: TestWorld, count: number): Promise<void> {
  const producer = await createProducer(world.broker, events, { clock: world.clock, random: world.random });
  for (let n = 0; n < count; n += 1) await producer.send({ n });
  await producer.close();
}

/** SQLite locks no rows: this one refuses to change those that somebody else is said to hold, as a server does after a while. */
function withLocks(database: Database, held: ReadonlySet<string>): Database {
  const skipping = '/* leaves out what is locked */';
  const heldRows = `SELECT * FROM ${database.tables('notify_deliveries')} WHERE delivery_id IN ${database.dialect.inJson}`;
  return {
    ...database,
    dialect: { ...database.dialect, forUpdateSkipLocked: skipping },
    transaction: (work, options) =>
      database.transaction((tx) => {
        const execute = async <R>(sql: string, parameters?: readonly SqlValue[]): Promise<SqlResult<R>> => {
          const ids = [JSON.stringify([...held])];
          const before = await tx.execute(heldRows, ids);
          const result = await tx.execute<R>(sql, parameters);
          const after = await tx.execute(heldRows, ids);
          if (JSON.stringify(before.rows) !== JSON.stringify(after.rows))
            throw new PaystreamError('ABORTED', 'somebody else holds the row', { reason: 'LOCK_WAIT_TIMEOUT' });
          if (!sql.includes(skipping)) return result;
          return { ...result, rows: result.rows.filter((row) => !held.has((row as { readonly delivery_id: string }).delivery_id)) };
        };
        return work({
          execute,
          executeMany: (sql, rows) => tx.executeMany(sql, rows),
          onCommit: (committed, unknown) => tx.onCommit(committed, unknown),
        });
      }, options),
  };
}

it('one delivery of a dead instance that somebody holds locked keeps nobody from its others, and comes later', async () => {
  await using world = await createTestWorld();
  const shared = { ...world.database, exclusive: false };
  const gone = (): Promise<never> => Promise.reject(new PaystreamError('UNAVAILABLE', 'killed', { reason: 'TEST' }));
  let dead = false;
  const mortal: Database = {
    ...shared,
    transaction: (work) => (dead ? gone() : shared.transaction(work)),
    query: (sql, parameters) => (dead ? gone() : shared.query(sql, parameters)),
  };
  const begun: string[] = [];
  const first = await start(
    world,
    mortal,
    channelOf(begun, () => new Promise(() => undefined)),
  );
  await publish(world, 5);
  await world.runUntil(() => begun.length === 5);
  dead = true;
  const held = new Set(begun.slice(0, 1));
  const sent: string[] = [];
  await using _second = await start(world, withLocks(shared, held), channelOf(sent));
  await world.advance({ seconds: 10 });
  expect(sent.toSorted()).toEqual(begun.slice(1).toSorted());
  // So long ago that the name of the dead would be forgotten, were it not that a row still carries it.
  const owners = shared.tables('notify_owners');
  await shared.transaction((tx) => tx.execute(`UPDATE ${owners} SET lease_until = 1 WHERE lease_until < ?`, [world.clock.now()]));
  await world.advance({ seconds: 10 });
  held.clear();
  await world.advance({ seconds: 10 });
  expect(sent.toSorted()).toEqual(begun.toSorted());
  await world.advance({ seconds: 10 });
  expect(await shared.query(`SELECT owner FROM ${owners}`)).toHaveLength(1);
  const closed = first.close(0).catch(() => undefined);
  await world.advance({ seconds: 30 });
  await closed;
});

it('a notifier that cannot take over from others still finds what it had claimed itself without an answer', async () => {
  await using world = await createTestWorld();
  const link = losingAnswers({ ...world.database, exclusive: false });
  let locked = false;
  const refused = (): Promise<never> => Promise.reject(new PaystreamError('ABORTED', 'locked', { reason: 'LOCK_WAIT_TIMEOUT' }));
  const database: Database = {
    ...link.database,
    query: (sql, parameters) => (locked && /FROM \S*notify_owners/.test(sql) ? refused() : link.database.query(sql, parameters)),
  };
  const sent: string[] = [];
  const busyOnce = async (): Promise<DeliveryOutcome> => {
    if (sent.length === 1) throw new PaystreamError('RESOURCE_EXHAUSTED', 'later', { reason: 'BUSY' });
    return { outcome: 'delivered' };
  };
  await using _notifier = await start(world, database, channelOf(sent, busyOnce));
  locked = true;
  link.loseNext(/SET owner = \? WHERE delivery_id IN/);
  await publish(world, 1);
  const delivered = `SELECT delivery_id FROM ${database.tables('notify_deliveries')} WHERE state = ${DeliveryState.DELIVERED}`;
  await world.runUntil(async () => (await database.query(delivered)).length === 1, { maxMs: 60_000 });
  expect(link.lost).toBe(1);
  expect(sent).toHaveLength(2);
});
