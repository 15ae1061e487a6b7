import { describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createTestWorld, type TestWorld } from '../testing/test-world.ts';
import { commit, contents, events, others, outboxIn, rowCount, withProducer } from './test-support.ts';

/** A broker that refuses what it is told to, as `b` (all of that key) or `b2`. */
const refusing = ({ broker }: TestWorld, ...refused: string[]) => {
  const state = { refused, away: '', tries: 0 };
  const changed = {
    ...withProducer(broker, (producer) => ({
      ...producer,
      sendAll: async (messages) => {
        state.tries += 1;
        for (const { payload } of messages) {
          const { key, n } = JSON.parse(Buffer.from(payload).toString()) as { key: string; n: number };
          if (!state.refused.includes(key) && !state.refused.includes(`${key}${n}`)) continue;
          throw new PaystreamError('INVALID_ARGUMENT', 'too large', { reason: 'MESSAGE_TOO_LARGE' });
        }
        await producer.sendAll(messages);
      },
    })),
  };
  return {
    state,
    broker: {
      ...changed,
      createProducer: (options: Parameters<typeof broker.createProducer>[0]) =>
        options.topic === state.away
          ? Promise.reject(new PaystreamError('UNAVAILABLE', 'away', { reason: 'TEST' }))
          : changed.createProducer(options),
    },
  };
};

/** A broker that stores all that comes before an event that it refuses, as Pulsar does. */
const storingBefore = ({ broker }: TestWorld, ...refused: string[]) => {
  const state = { refused };
  const changed = withProducer(broker, (producer) => ({
    ...producer,
    sendAll: async (messages) => {
      for (const message of messages) {
        const { key, n } = JSON.parse(Buffer.from(message.payload).toString()) as { key: string; n: number };
        if (state.refused.includes(`${key}${n}`))
          throw new PaystreamError('INVALID_ARGUMENT', 'too large', { reason: 'MESSAGE_TOO_LARGE' });
        await producer.sendAll([message]);
      }
    },
  }));
  return { state, broker: changed };
};

const of = (key: string, count: number): string[] => Array.from({ length: count }, (_, index) => `${key}${index + 1}`);
const ofKey = (names: readonly string[], key: string): readonly string[] => names.filter((name) => name.startsWith(key));

describe('events that the broker refuses for what they are', () => {
  it('are overtaken by none of their key, by a broker too that stores what comes before them', async () => {
    await using world = await createTestWorld();
    const { state, broker } = storingBefore(world, 'b1', 'b4');
    const outbox = await outboxIn(world, { broker });
    await commit(world.database, outbox, 'a1 b1 b2 a2 b3 b4 b5 b6');
    await world.advance(30_000);
    const firsts = async (key: string): Promise<readonly string[]> => [...new Set(ofKey(await contents(world.broker), key))];
    expect([await firsts('a'), await firsts('b')]).toEqual([['a1', 'a2'], []]);
    state.refused = ['b4'];
    await world.advance(70_000);
    expect(await firsts('b')).toEqual(['b1', 'b2', 'b3']);
    state.refused = [];
    await world.advance(70_000);
    expect(await firsts('b')).toEqual(of('b', 6));
    await outbox.close();
  });

  it.each([
    ['events', { maxPendingEvents: 10 }],
    ['bytes', { maxPendingBytes: 1_500 }],
  ])('hold up no other key, however many they are, and go out in order once it takes them: memory for few %s', async (_, limit) => {
    await using world = await createTestWorld();
    const { state, broker } = refusing(world, 'b');
    const outbox = await outboxIn(world, { broker, ...limit });
    for (const text of of('b', 12)) await commit(world.database, outbox, text);
    await world.advance(30_000);
    await commit(world.database, outbox, 'a1');
    await commit(world.database, outbox, 'b13 a2');
    await world.advance(30_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    await outbox.check?.();
    await outbox.flush();
    expect(outbox.pending).toBe(13);
    expect(world.telemetry.gaugeValue('paystream_outbox_refused')).toBe(13);
    state.refused = [];
    await world.advance(70_000);
    expect(ofKey(await contents(world.broker), 'b')).toEqual(of('b', 13));
    expect(outbox.pending).toBe(0);
    expect(world.telemetry.gaugeValue('paystream_outbox_refused')).toBe(0);
    expect(await rowCount(world.database)).toBe(0);
    for (const text of of('c', 12)) await commit(world.database, outbox, text);
    await outbox.flush();
    expect(ofKey(await contents(world.broker), 'c')).toEqual(of('c', 12));
    await outbox.close();
  });

  it.each([
    ['events', { maxPendingEvents: 10 }],
    ['bytes', { maxPendingBytes: 1_500 }],
  ])('stop no instance that finds them in the table when it starts: memory for few %s', async (_, limit) => {
    await using world = await createTestWorld();
    const { state, broker } = refusing(world, 'b');
    const first = await outboxIn(world, { broker });
    for (const text of of('b', 200)) await commit(world.database, first, text);
    await first.close(0);
    const outbox = await outboxIn(world, { broker, ...limit });
    await commit(world.database, outbox, 'a1');
    await outbox.flush();
    expect(await contents(world.broker)).toEqual(['a1']);
    await outbox.check?.();
    state.refused = [];
    await world.advance(70_000);
    expect(ofKey(await contents(world.broker), 'b')).toEqual(of('b', 200));
    expect(await rowCount(world.database)).toBe(0);
    await outbox.close();
  });

  it('hold up nobody though each has a key of its own, and are tried a few at a time', async () => {
    await using world = await createTestWorld();
    const keys = Array.from({ length: 60 }, (_, index) => String.fromCodePoint(0x400 + index));
    const { state, broker } = refusing(world, ...keys);
    const outbox = await outboxIn(world, { broker, maxPendingEvents: 10 });
    for (const key of keys) await commit(world.database, outbox, `${key}1`);
    await commit(world.database, outbox, 'a1');
    await world.clock.settle();
    expect(await contents(world.broker)).toEqual(['a1']);
    const before = state.tries;
    await world.advance(10_000);
    expect(state.tries - before).toBeGreaterThan(60);
    expect(state.tries - before).toBeLessThanOrEqual(160);
    state.refused = [];
    await world.advance(70_000);
    expect((await contents(world.broker)).length).toBe(61);
    await outbox.close();
  });

  it('go out once each, in order, from rows that hold other keys and topics too', async () => {
    await using world = await createTestWorld();
    const { state, broker } = refusing(world, 'b2', 'c3');
    state.away = 'others';
    const outbox = await outboxIn(world, { broker, maxPendingEvents: 8 });
    const add = (text: string, elsewhere: string) =>
      world.database.transaction((tx) => outbox.add(tx, [...events(text), ...events(elsewhere, others)]));
    await add('a1 b1 c1 b2', 'b1');
    await add('b3 a2 c2', 'd1');
    for (let n = 3; n <= 12; n++) await commit(world.database, outbox, `c${n} b${n + 1} a${n}`);
    await world.advance(10_000);
    expect(ofKey(await contents(world.broker), 'a')).toEqual(of('a', 12));
    state.away = '';
    await world.advance(10_000);
    expect(await contents(world.broker, 'others')).toEqual(['b1', 'd1']);
    state.refused = ['c3'];
    await world.advance(70_000);
    expect(ofKey(await contents(world.broker), 'b')).toEqual(of('b', 13));
    expect(ofKey(await contents(world.broker), 'c')).toEqual(of('c', 2));
    expect(await rowCount(world.database)).toBe(10);
    state.refused = [];
    await world.advance(70_000);
    const all = await contents(world.broker);
    for (const [key, count] of [
      ['a', 12],
      ['b', 13],
      ['c', 12],
    ] as const)
      expect(ofKey(all, key)).toEqual(of(key, count));
    expect(await rowCount(world.database)).toBe(0);
    expect(outbox.pending).toBe(0);
    await outbox.close();
  });

  it('are held back one by one where later ones of a key are refused too', async () => {
    await using world = await createTestWorld();
    const { state, broker } = refusing(world, 'b1', 'b6', 'b7');
    const outbox = await outboxIn(world, { broker });
    for (const text of of('b', 9)) await commit(world.database, outbox, text);
    await world.advance(10_000);
    state.refused = ['b6', 'b7'];
    await world.advance(70_000);
    expect(await contents(world.broker)).toEqual(of('b', 5));
    state.refused = ['b7'];
    await world.advance(70_000);
    expect(await contents(world.broker)).toEqual(of('b', 6));
    state.refused = [];
    await world.advance(70_000);
    expect(await contents(world.broker)).toEqual(of('b', 9));
    await outbox.close();
  });

  it('give way to those behind them once somebody has removed their rows', async () => {
    await using world = await createTestWorld();
    const { broker } = refusing(world, 'b1');
    const outbox = await outboxIn(world, { broker });
    for (const text of ['b1', 'b2', 'b3']) await commit(world.database, outbox, text);
    await world.advance(10_000);
    await world.database.transaction((tx) => tx.execute(`DELETE FROM ${world.database.tables('outbox')} WHERE seq = 1`));
    await world.advance(70_000);
    expect(await contents(world.broker)).toEqual(['b2', 'b3']);
    expect(outbox.pending).toBe(0);
    expect(world.telemetry.gaugeValue('paystream_outbox_refused')).toBe(0);
    await outbox.close();
  });

  it('stay held back while their rows cannot be read, and go out after it', async () => {
    await using world = await createTestWorld();
    const { state, broker } = refusing(world, 'b');
    let down = false;
    const database: typeof world.database = {
      ...world.database,
      query: (sql, ...rest) =>
        down && sql.startsWith('SELECT seq, content') ? Promise.reject(new Error('away')) : world.database.query(sql, ...rest),
    };
    const outbox = await outboxIn(world, { broker, database });
    for (const text of ['b1', 'b2']) await commit(world.database, outbox, text);
    down = true;
    state.refused = [];
    await world.advance(30_000);
    expect(await contents(world.broker)).toEqual([]);
    expect(outbox.pending).toBe(2);
    down = false;
    await world.advance(70_000);
    expect(await contents(world.broker)).toEqual(['b1', 'b2']);
    await outbox.close();
  });
});
