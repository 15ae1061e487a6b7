import { describe, expect, it } from 'vitest';
import type { Broker } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Database, SqlValue } from '../sql/port.ts';
import { createTestWorld, type TestWorld } from '../testing/test-world.ts';
import { contents, events, others, outboxIn, rowCount, steps, type TestOutbox, withProducer } from './test-support.ts';

/** A broker that takes nothing of the topic `others` for as long as it is told so, or one event of it never. */
const stuck = ({ broker, clock }: TestWorld) => {
  const state = { stuck: true, hangsMs: 0, refuses: '', sent: 0, slowMs: 0 };
  const changed: Broker = {
    ...broker,
    createProducer: async (options) => {
      if (options.topic !== 'others') return broker.createProducer(options);
      return withProducer(broker, (producer) => ({
        ...producer,
        sendAll: async (messages) => {
          if (state.hangsMs > 0) await clock.sleep(state.hangsMs);
          if (state.stuck) throw new PaystreamError('UNAVAILABLE', 'over its quota', { reason: 'TEST' });
          const texts = messages.map(({ payload }) => Buffer.from(payload).toString());
          if (state.refuses !== '' && texts.some((text) => text.includes(state.refuses))) {
            throw new PaystreamError('INVALID_ARGUMENT', 'too large', { reason: 'TEST' });
          }
          if (state.slowMs > 0) await clock.sleep(state.slowMs);
          await producer.sendAll(messages);
          state.sent += messages.length;
        },
      })).createProducer(options);
    },
  };
  return { state, broker: changed };
};

const names = (key: string, count: number, from = 1): string[] => Array.from({ length: count }, (_, n) => `${key}${from + n}`);

/** One row for each event: of `others`, but for the names that are given of `steps`. */
async function commitAll(
  world: TestWorld,
  outbox: TestOutbox,
  ofOthers: readonly string[],
  ofSteps: readonly string[] = [],
): Promise<void> {
  for (const name of ofOthers) await world.database.transaction((tx) => outbox.add(tx, events(name, others)));
  for (const name of ofSteps) await world.database.transaction((tx) => outbox.add(tx, events(name)));
}

describe('a topic that takes nothing', () => {
  it.each([
    ['events', { maxPendingEvents: 10 }],
    ['bytes', { maxPendingBytes: 4_000 }],
    ['batches', { maxPendingEvents: 10, maxBatchSize: 3 }],
  ])('stops no other topic, however many of its %s wait, and gets them all in order once it takes some', async (_, limits) => {
    await using world = await createTestWorld();
    const { state, broker } = stuck(world);
    const outbox = await outboxIn(world, { broker, ...limits });
    await commitAll(world, outbox, names('a', 60));
    await world.advance(10_000);
    await commitAll(world, outbox, names('a', 60, 61), names('b', 30));
    await world.advance(10_000);
    expect(await contents(world.broker)).toEqual(names('b', 30));
    expect(outbox.pending).toBe(120);
    expect(world.telemetry.gaugeValue('paystream_outbox_refused')).toBe(0);
    expect(world.telemetry.gaugeValue('paystream_outbox_oldest_seconds')).toBeGreaterThanOrEqual(15);
    await expect(outbox.check?.()).rejects.toMatchObject({ reason: 'OUTBOX_STALLED', message: expect.stringContaining('"others"') });
    state.stuck = false;
    await commitAll(world, outbox, names('a', 5, 121));
    const flushed = outbox.flush();
    await world.advance(10_000);
    await flushed;
    await outbox.check?.();
    expect(await contents(world.broker, 'others')).toEqual(names('a', 125));
    expect(outbox.pending).toBe(0);
    expect(await rowCount(world.database)).toBe(0);
    await outbox.close();
  });

  it('shares rows with others, which are gone when the last of their events is', async () => {
    await using world = await createTestWorld();
    const { state, broker } = stuck(world);
    const outbox = await outboxIn(world, { broker, maxPendingEvents: 8 });
    for (let n = 1; n <= 20; n++) {
      await world.database.transaction((tx) =>
        outbox.add(tx, [...events(`a${n}`, others), ...events(`b${n}`), ...events(`c${n}`, others)]),
      );
    }
    await world.advance(20_000);
    expect(await contents(world.broker)).toEqual(names('b', 20));
    expect(await rowCount(world.database)).toBe(20);
    state.stuck = false;
    await world.advance(20_000);
    expect(await contents(world.broker, 'others')).toEqual(names('a', 20).flatMap((name, n) => [name, `c${n + 1}`]));
    expect(await rowCount(world.database)).toBe(0);
    await outbox.close();
  });

  it('holds back what it refuses of them then, and nothing else', async () => {
    await using world = await createTestWorld();
    const { state, broker } = stuck(world);
    const outbox = await outboxIn(world, { broker, maxPendingEvents: 8 });
    await commitAll(world, outbox, [...names('a', 20), ...names('b', 3), ...names('a', 5, 21)]);
    await world.advance(10_000);
    state.refuses = '"key":"b","n":2';
    state.stuck = false;
    await world.advance(10_000);
    expect([...(await contents(world.broker, 'others'))].sort()).toEqual([...names('a', 25), 'b1'].sort());
    expect(outbox.pending).toBe(2);
    expect(world.telemetry.gaugeValue('paystream_outbox_refused')).toBe(2);
    state.refuses = '';
    await world.advance(120_000);
    expect((await contents(world.broker, 'others')).filter((name) => name.startsWith('b'))).toEqual(['b1', 'b2', 'b3']);
    expect(await rowCount(world.database)).toBe(0);
    await outbox.close();
  });

  it('gets no event whose row somebody removed meanwhile', async () => {
    await using world = await createTestWorld();
    const { state, broker } = stuck(world);
    const outbox = await outboxIn(world, { broker, maxPendingEvents: 8, maxBatchSize: 2 });
    await commitAll(world, outbox, names('a', 20));
    await world.advance(10_000);
    await world.database.transaction((tx) => tx.execute(`DELETE FROM ${world.database.tables('outbox')} WHERE seq IN (5, 11)`));
    state.stuck = false;
    // Until then a node of the database might not show it yet.
    await world.advance(30_000);
    const left = names('a', 20).filter((name) => name !== 'a5' && name !== 'a11');
    expect(await contents(world.broker, 'others')).toEqual(left);
    expect(outbox.pending).toBe(0);
    await outbox.close();
  });

  it('gets them in order though a node of the database that is asked does not show them yet', async () => {
    await using world = await createTestWorld();
    const { state, broker } = stuck(world);
    let behind = false;
    const database: Database = {
      ...world.database,
      query: async <R>(sql: string, ...given: [(readonly SqlValue[])?]) => {
        const rows = await world.database.query<R>(sql, ...given);
        return behind && sql.includes('content') ? [] : rows;
      },
    };
    const outbox = await outboxIn(world, { broker, database, maxPendingEvents: 8 });
    await commitAll(world, outbox, names('a', 30));
    await world.advance(6_000);
    behind = true;
    state.stuck = false;
    await world.advance(8_000);
    expect(state.sent).toBeLessThan(30);
    behind = false;
    await commitAll(world, outbox, names('a', 5, 31));
    await world.advance(10_000);
    expect(await contents(world.broker, 'others')).toEqual(names('a', 35));
    expect(await rowCount(world.database)).toBe(0);
    await outbox.close();
  });

  it('gets them in order though the database was away when they were to be read again', async () => {
    await using world = await createTestWorld();
    const { state, broker } = stuck(world);
    let away = false;
    const database = {
      ...world.database,
      query: <R>(...given: Parameters<typeof world.database.query>) =>
        away ? Promise.reject(new PaystreamError('UNAVAILABLE', 'away', { reason: 'TEST' })) : world.database.query<R>(...given),
    };
    const outbox = await outboxIn(world, { broker, database, maxPendingEvents: 8 });
    for (const name of names('a', 30)) await database.transaction((tx) => outbox.add(tx, events(name, others)));
    await world.advance(10_000);
    away = true;
    state.stuck = false;
    await world.advance(3_000);
    expect(state.sent).toBeLessThan(30);
    away = false;
    await world.advance(10_000);
    expect(await contents(world.broker, 'others')).toEqual(names('a', 30));
    expect(await rowCount(world.database)).toBe(0);
    await outbox.close();
  });

  it.each([
    ['answers nothing for half a minute', { maxPendingEvents: 200 }, 150, 30_000],
    ['has one batch under way that is most of what memory holds', { maxPendingEvents: 100 }, 150, 30_000],
    ['has filled memory by half', { maxPendingEvents: 200 }, 150, 0],
    ['has more in one batch than others have room', { maxPendingEvents: 1_500 }, 3_000, 0],
  ])('stops no other topic of an instance that begins with its events, though it %s', async (_, limits, count, hangsMs) => {
    await using world = await createTestWorld();
    const { state, broker } = stuck(world);
    const first = await outboxIn(world, { broker, ...limits });
    await world.database.transaction(async (tx) => {
      for (const name of names('a', count)) await first.add(tx, events(name, others));
      for (const name of names('b', 20)) await first.add(tx, events(name));
    });
    await first.close(0);
    state.hangsMs = hangsMs;
    const second = await outboxIn(world, { broker, ...limits });
    await commitAll(world, second, names('a', 30, count + 1), names('b', 20, 21));
    await world.advance(10_000);
    await commitAll(world, second, names('a', 30, count + 31), names('b', 20, 41));
    await world.advance(10_000);
    expect(await contents(world.broker)).toEqual(names('b', 60));
    Object.assign(state, { stuck: false, hangsMs: 0 });
    await world.advance(120_000);
    expect(await rowCount(world.database)).toBe(0);
    expect(state.sent).toBe(count + 60);
    await second.close();
  });

  it('gives other work its turn while a database that answers at once is gone through', async () => {
    await using world = await createTestWorld();
    const { broker } = stuck(world);
    const limits = { maxPendingEvents: 100, maxBatchSize: 10 };
    const first = await outboxIn(world, { broker, ...limits });
    await world.database.transaction(async (tx) => {
      for (const name of names('a', 2_000)) await first.add(tx, events(name, others));
      for (const name of names('b', 1)) await first.add(tx, events(name));
    });
    await first.close(0);
    let [inTurn, most] = [0, 0];
    const database = {
      ...world.database,
      query: <R>(...given: Parameters<typeof world.database.query>) => {
        if (inTurn === 0) {
          setImmediate(() => {
            inTurn = 0;
          });
        }
        inTurn += 1;
        most = Math.max(most, inTurn);
        return world.database.query<R>(...given);
      },
    };
    const second = await outboxIn(world, { broker, database, ...limits });
    await world.advance(10_000);
    expect(await contents(world.broker)).toEqual(['b1']);
    expect(most).toBeLessThan(10);
    await second.close(0);
  });

  it('stops no other either while it gets what has waited', async () => {
    await using world = await createTestWorld();
    const { state, broker } = stuck(world);
    const outbox = await outboxIn(world, { broker, maxPendingEvents: 10, maxBatchSize: 3 });
    await commitAll(world, outbox, names('a', 60));
    await world.advance(10_000);
    state.slowMs = 1_000;
    state.stuck = false;
    await world.advance(5_000);
    await commitAll(world, outbox, names('a', 20, 61), names('b', 20));
    await world.advance(100);
    expect(state.sent).toBeLessThan(60);
    expect(await contents(world.broker)).toEqual(names('b', 20));
    await world.advance(60_000);
    expect(await contents(world.broker, 'others')).toEqual(names('a', 80));
    await outbox.close();
  });

  it('leaves them to the next instance, which stops no other topic either', async () => {
    await using world = await createTestWorld();
    const { state, broker } = stuck(world);
    const first = await outboxIn(world, { broker, maxPendingEvents: 8 });
    await commitAll(world, first, names('a', 30));
    await world.advance(10_000);
    await first.close(0);
    const second = await outboxIn(world, { broker, maxPendingEvents: 8 });
    await commitAll(world, second, names('a', 5, 31), names('b', 5));
    await world.advance(20_000);
    expect(await contents(world.broker)).toEqual(names('b', 5));
    state.stuck = false;
    await world.advance(20_000);
    expect(await contents(world.broker, 'others')).toEqual(names('a', 35));
    expect(await rowCount(world.database)).toBe(0);
    await second.close();
  });

  it.each(names('seed ', 20))('and goes on and off, loses, doubles and overtakes nothing of any key (%s)', async (seed) => {
    await using world = await createTestWorld({ seed: Number(seed.slice(5)) });
    const { state, broker } = stuck(world);
    const random = (below: number): number => Math.floor(world.random.next() * below);
    const limits = { maxPendingEvents: 4 + random(20), maxBatchSize: 1 + random(6) };
    const outbox = await outboxIn(world, { broker, ...limits });
    const added = { others: [] as string[], steps: [] as string[] };
    for (let round = 0; round < 40; round++) {
      state.stuck = random(3) > 0;
      state.refuses = random(4) > 0 ? '' : `"key":"${'abc'[random(3)]}"`;
      state.slowMs = random(4) > 0 ? 0 : random(2_000);
      for (let row = random(12); row > 0; row--) {
        const here = Array.from({ length: 1 + random(3) }, (_, n) => ({ topic: random(3) > 0 ? others : steps, key: 'abc'[random(3)], n }));
        await world.database.transaction((tx) =>
          outbox.add(
            tx,
            here.flatMap(({ topic, key }) => {
              const list = added[topic === others ? 'others' : 'steps'];
              list.push(`${key}${list.length}`);
              return events(list.at(-1) ?? '', topic);
            }),
          ),
        );
      }
      await world.advance(random(4_000));
    }
    Object.assign(state, { stuck: false, refuses: '', slowMs: 0 });
    await world.advance(600_000);
    const byKey = (all: readonly string[]) => ['a', 'b', 'c'].map((key) => all.filter((name) => name.startsWith(key)));
    expect(byKey(await contents(world.broker, 'others'))).toEqual(byKey(added.others));
    expect(await contents(world.broker)).toEqual(added.steps);
    expect(outbox.pending).toBe(0);
    expect(['refused', 'oldest_seconds'].map((name) => world.telemetry.gaugeValue(`paystream_outbox_${name}`))).toEqual([0, 0]);
    await outbox.flush();
    expect(await rowCount(world.database)).toBe(0);
    await outbox.close();
  });
});
