import { describe, expect, it } from 'vitest';
import type { Broker } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type Logger, silentLogger } from '../logger/port.ts';
import { createTestWorld, type TestWorld } from '../testing/test-world.ts';
import { commit, contents, events, foreign, others, outboxIn, rowCount, steps, withProducer } from './test-support.ts';

const away = (): PaystreamError => new PaystreamError('UNAVAILABLE', 'the broker is away', { reason: 'TEST' });

describe('outbox', () => {
  it('publishes what was committed, in order, and never what was rolled back', async () => {
    await using world = await createTestWorld();
    const outbox = await outboxIn(world);
    await commit(world.database, outbox, 'a1 b1');
    const failed = world.database.transaction(async (tx) => {
      await outbox.add(tx, events('a2 b2'));
      throw new Error('changed my mind');
    });
    await expect(failed).rejects.toThrow('changed my mind');
    await commit(world.database, outbox, 'a3');
    await outbox.flush();
    expect(await contents(world.broker)).toEqual(['a1', 'b1', 'a3']);
    expect(await rowCount(world.database)).toBe(0);
    expect(outbox.pending).toBe(0);
    await outbox.close();
  });

  it('publishes without any time passing, and clears the table soon after', async () => {
    await using world = await createTestWorld();
    const outbox = await outboxIn(world);
    await commit(world.database, outbox, 'a1 a2');
    await world.clock.settle();
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    expect(await rowCount(world.database)).toBe(1);
    await world.advance(50);
    expect(await rowCount(world.database)).toBe(0);
    expect(world.telemetry.counter('paystream_outbox_published_total', { topic: 'steps' })).toBe(2);
    expect(world.telemetry.gaugeValue('paystream_outbox_pending')).toBe(0);
    await outbox.close();
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 53])(
    'refuses an event whose time no broker takes, before its transaction commits: %d',
    async (occurredAtMs) => {
      await using world = await createTestWorld();
      const outbox = await outboxIn(world);
      const [event] = events('a1');
      if (event === undefined) throw new Error('no event');
      const refused = world.database.transaction((tx) => outbox.add(tx, [{ ...event, occurredAtMs }]));
      await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_MESSAGE' });
      await outbox.close();
    },
  );

  it('gives each event its own id, and those that it was given', async () => {
    await using world = await createTestWorld();
    const outbox = await outboxIn(world);
    const subscription = await world.broker.subscribe({ topic: 'steps', subscription: 's' });
    const [plain] = events('a1');
    if (plain === undefined) throw new Error('no event');
    await world.database.transaction((tx) =>
      outbox.add(tx, [plain, { ...plain, eventId: 'my-id', occurredAtMs: 17, correlationId: 'c', traceparent: 't' }]),
    );
    const received = await subscription.receive(10);
    expect(received.map((message) => [message.key, message.eventTimeMs])).toEqual([
      ['a', world.clock.now()],
      ['a', 17],
    ]);
    expect(received[0]?.properties['paystream-event-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(received[1]?.properties).toMatchObject({ 'paystream-event-id': 'my-id', 'paystream-correlation-id': 'c', traceparent: 't' });
    await outbox.close();
  });

  it('refuses a value that does not fit its topic in the transaction, not later', async () => {
    await using world = await createTestWorld();
    const outbox = await outboxIn(world);
    const wrong = { topic: steps as never, value: { key: 1 } };
    await expect(world.database.transaction((tx) => outbox.add(tx, [wrong]))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await rowCount(world.database)).toBe(0);
    await outbox.close();
  });

  it('keeps the order of each key through an outage of the broker, loses nothing, and says so meanwhile', async () => {
    await using world = await createTestWorld();
    let down = true;
    const broker = withProducer(world.broker, (producer) => ({
      ...producer,
      sendAll: (messages) => (down ? Promise.reject(away()) : producer.sendAll(messages)),
    }));
    const outbox = await outboxIn(world, { broker, maxBatchSize: 3 });
    for (let n = 1; n <= 10; n++) {
      await commit(world.database, outbox, `a${n} b${n}`);
      await world.advance(3_000);
    }
    expect(outbox.pending).toBe(20);
    await expect(outbox.check?.()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'OUTBOX_STALLED' });
    await expect(outbox.check?.()).rejects.toThrow(/^20 events wait .* topic "steps", failed with TEST: the broker is away$/);
    expect(world.telemetry.gaugeValue('paystream_outbox_pending')).toBeGreaterThan(10);
    expect(world.telemetry.gaugeValue('paystream_outbox_oldest_seconds')).toBeGreaterThan(20);
    expect(world.telemetry.counter('paystream_outbox_failures_total', { topic: 'steps' })).toBeGreaterThan(1);
    down = false;
    await world.advance(6_000);
    expect(world.telemetry.gaugeValue('paystream_outbox_oldest_seconds')).toBe(0);
    expect(await contents(world.broker)).toEqual(Array.from({ length: 10 }, (_, i) => [`a${i + 1}`, `b${i + 1}`]).flat());
    await outbox.check?.();
    await outbox.close();
  });

  /** A broker that refuses b2 for what it is, and is told for how long. */
  const refusing = ({ broker }: TestWorld) => {
    const state = { refuses: true, away: false };
    const changed = withProducer(broker, (producer) => ({
      ...producer,
      sendAll: async (messages) => {
        if (state.away) throw away();
        if (state.refuses && messages.some((one) => Buffer.from(one.payload).toString().includes('"key":"b","n":2'))) {
          throw new PaystreamError('INVALID_ARGUMENT', 'too large', { reason: 'TEST' });
        }
        await producer.sendAll(messages);
      },
    }));
    return { state, broker: changed };
  };

  it('holds back the key of an event that the broker refuses, and no other', async () => {
    await using world = await createTestWorld();
    const { state, broker } = refusing(world);
    const outbox = await outboxIn(world, { broker });
    await commit(world.database, outbox, 'a1 b1 c1 a2 b2 c2 b3 a3');
    await world.advance(100);
    await commit(world.database, outbox, 'b4 a4');
    await world.advance(100);
    expect(await contents(world.broker)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', 'a4']);
    expect(outbox.pending).toBe(3);
    state.refuses = false;
    await world.advance(60_000);
    await commit(world.database, outbox, 'b5');
    await outbox.flush();
    expect((await contents(world.broker)).filter((name) => name.startsWith('b'))).toEqual(['b1', 'b2', 'b3', 'b4', 'b5']);
    expect(world.telemetry.gaugeValue('paystream_outbox_refused')).toBe(0);
    await outbox.close();
  });

  it('takes no instance out of service for an event that the broker refuses for good, and alarms by a gauge of its own', async () => {
    await using world = await createTestWorld();
    const { broker } = refusing(world);
    const outbox = await outboxIn(world, { broker });
    await commit(world.database, outbox, 'a1 b2 b3');
    await commit(world.database, outbox, 'b4');
    await world.advance(100);
    const failures = () => world.telemetry.counter('paystream_outbox_failures_total', { topic: 'steps' });
    const failedSends = () => world.telemetry.spans.filter(({ name, error }) => name === 'send steps' && error !== undefined).length;
    const before = failures();
    expect(failedSends()).toBe(before);
    await world.advance(300_000);
    expect(failures()).toBeGreaterThan(before + 5);
    expect(failedSends()).toBe(failures());
    await outbox.check?.();
    expect(outbox.pending).toBe(3);
    expect(world.telemetry.gaugeValue('paystream_outbox_refused')).toBe(3);
    expect(world.telemetry.gaugeValue('paystream_outbox_oldest_seconds')).toBe(0);
    await outbox.close(0);
  });

  it('waits for no event that the broker refuses when it is flushed or closed, and leaves it to the next instance', async () => {
    await using world = await createTestWorld();
    const { state, broker } = refusing(world);
    const outbox = await outboxIn(world, { broker });
    await commit(world.database, outbox, 'b2 b3 a1');
    await outbox.flush();
    expect(await contents(world.broker)).toEqual(['a1']);
    await commit(world.database, outbox, 'b4');
    await outbox.close();
    state.refuses = false;
    const next = await outboxIn(world, { broker });
    await next.flush();
    expect((await contents(world.broker)).filter((name) => name.startsWith('b'))).toEqual(['b2', 'b3', 'b4']);
    await next.close();
  });

  it('says that others wait beside one that is refused', async () => {
    await using world = await createTestWorld();
    const { state, broker } = refusing(world);
    const outbox = await outboxIn(world, { broker });
    await commit(world.database, outbox, 'b2');
    await world.advance(5_000);
    state.away = true;
    await commit(world.database, outbox, 'a1');
    await world.advance(10_000);
    await expect(outbox.check?.()).rejects.toThrow(
      /^1 events wait to be published, the oldest for 10 s: the last attempt, on topic "steps", failed with TEST: the broker is away$/,
    );
    await outbox.close(0);
  });

  it('goes on with a topic of which the broker would make no producer, once it does', async () => {
    await using world = await createTestWorld();
    let refuses = true;
    const broker: Broker = {
      ...world.broker,
      createProducer: (options) =>
        refuses
          ? Promise.reject(new PaystreamError('INVALID_ARGUMENT', 'no such namespace', { reason: 'TEST' }))
          : world.broker.createProducer(options),
    };
    const outbox = await outboxIn(world, { broker });
    await commit(world.database, outbox, 'a1 b1');
    await world.advance(11_000);
    await expect(outbox.check?.()).rejects.toThrow(/^2 events wait .* failed with TEST: no such namespace$/);
    refuses = false;
    await world.advance(6_000);
    expect(await contents(world.broker)).toEqual(['a1', 'b1']);
    await outbox.close();
  });

  it('tells how long events wait also while the database is away', async () => {
    await using world = await createTestWorld();
    let down = false;
    const broker = withProducer(world.broker, (producer) => ({
      ...producer,
      sendAll: (messages) => (down ? Promise.reject(away()) : producer.sendAll(messages)),
    }));
    const database: typeof world.database = {
      ...world.database,
      exclusive: false,
      query: (sql, parameters) => (down ? Promise.reject(away()) : world.database.query(sql, parameters)),
      transaction: ((work) => (down ? Promise.reject(away()) : world.database.transaction(work))) as typeof world.database.transaction,
    };
    const outbox = await outboxIn(world, { broker, database });
    await world.database.transaction((tx) => outbox.add(tx, events('a1')));
    down = true;
    await world.advance(60_000);
    expect(world.telemetry.gaugeValue('paystream_outbox_oldest_seconds')).toBeGreaterThanOrEqual(55);
    await outbox.close(0);
  });

  it('tells whoever waits for its events that it closed, and whoever would wait then', async () => {
    await using world = await createTestWorld();
    const { state, broker } = refusing(world);
    state.away = true;
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_fields, message) => void lines.push(message) };
    const outbox = await outboxIn(world, { broker, logger });
    await commit(world.database, outbox, 'a1');
    await world.clock.settle();
    const flushed = outbox.flush().catch((error: unknown) => error);
    lines.length = 0;
    const closed = outbox.close();
    await world.advance(5_000);
    await closed;
    expect(await flushed).toMatchObject({ code: 'UNAVAILABLE', reason: 'CLOSED' });
    await expect(outbox.flush()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'CLOSED' });
    expect(lines.filter((line) => line.includes('last rows'))).toEqual([]);
  });

  it('tells of nothing that waits once it is closed, for another instance has it then', async () => {
    await using world = await createTestWorld();
    const { state, broker } = refusing(world);
    const outbox = await outboxIn(world, { broker });
    await commit(world.database, outbox, 'b2');
    await world.clock.settle();
    state.away = true;
    await commit(world.database, outbox, 'a1');
    await world.advance(10_000);
    const told = () => ['pending', 'refused', 'oldest_seconds'].map((name) => world.telemetry.gaugeValue(`paystream_outbox_${name}`));
    expect(told()).toEqual([2, 1, 10]);
    await outbox.close(0);
    expect(told()).toEqual([0, 0, 0]);
  });

  it('lets no topic wait for another one that cannot be reached', async () => {
    await using world = await createTestWorld();
    const broker: Broker = {
      ...world.broker,
      createProducer: (options) => (options.topic === 'others' ? Promise.reject(away()) : world.broker.createProducer(options)),
    };
    const outbox = await outboxIn(world, { broker });
    await world.database.transaction((tx) => outbox.add(tx, [...events('a1', others), ...events('a2')]));
    await world.clock.settle();
    expect(await contents(world.broker)).toEqual(['a2']);
    expect(outbox.pending).toBe(1);
    await outbox.close(0);
  });

  it('fails where topics are prepared that the broker refuses, and publishes to them once it does not', async () => {
    await using world = await createTestWorld();
    let refuses = true;
    const made: string[] = [];
    const broker: Broker = {
      ...world.broker,
      createProducer: (options) => {
        made.push(options.topic);
        return refuses && options.topic === 'others' ? Promise.reject(away()) : world.broker.createProducer(options);
      },
    };
    const outbox = await outboxIn(world, { broker });
    await expect(outbox.prepare([steps, others])).rejects.toThrow('the broker is away');
    refuses = false;
    await outbox.prepare([steps, others]);
    await world.database.transaction((tx) => outbox.add(tx, [...events('a1', others), ...events('a2')]));
    await outbox.flush();
    expect(await contents(world.broker, 'others')).toEqual(['a1']);
    expect(made).toEqual(['steps', 'others', 'others']);
    await outbox.close();
    await expect(outbox.prepare([steps])).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'CLOSED' });
  });

  it('keeps no more in memory than it may, and publishes the rest from the table in order', async () => {
    await using world = await createTestWorld();
    let down = true;
    let largest = 0;
    let later = 201;
    const broker = withProducer(world.broker, (producer) => ({
      ...producer,
      sendAll: async (messages) => {
        largest = Math.max(largest, messages.length);
        if (down) throw away();
        // What is added while the table is read must not overtake what is in it.
        if (later <= 210) await commit(world.database, outbox, `a${later++}`);
        await producer.sendAll(messages);
      },
    }));
    const outbox = await outboxIn(world, { broker, maxPendingEvents: 10, maxBatchSize: 20 });
    for (let n = 1; n <= 200; n++) await commit(world.database, outbox, `a${n}`);
    expect(outbox.pending).toBe(200);
    down = false;
    await world.advance(10_000);
    await outbox.flush();
    expect(later).toBe(211);
    expect(await contents(world.broker)).toEqual(Array.from({ length: 210 }, (_, index) => `a${index + 1}`));
    expect(largest).toBeLessThanOrEqual(20);
    await outbox.close();
  });

  it('joins a transaction of somebody else, told of its commit or not', async () => {
    await using world = await createTestWorld();
    const outbox = await outboxIn(world, { leaseMs: 10_000 });
    const add = (text: string) => world.database.transaction((tx) => outbox.add(foreign(tx), events(text)));
    const told = await add('a1');
    const untold = await add('a2');
    told.committed();
    told.committed();
    await world.clock.settle();
    expect(await contents(world.broker)).toEqual(['a1']);
    await world.advance(20);
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    untold.committed();
    await world.advance(20_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    expect(await rowCount(world.database)).toBe(0);
    await outbox.close();
  });

  it('finds what was committed without a word before it closes', async () => {
    await using world = await createTestWorld();
    const outbox = await outboxIn(world);
    await world.database.transaction((tx) => outbox.add(foreign(tx), events('a1')));
    await outbox.close();
    expect(await contents(world.broker)).toEqual(['a1']);
  });

  it('never publishes what somebody else rolled back, and stops asking for it', async () => {
    await using world = await createTestWorld();
    let looks = 0;
    const database: typeof world.database = {
      ...world.database,
      query: (sql, parameters) => {
        if (/^SELECT seq FROM/.test(sql)) looks += 1;
        return world.database.query(sql, parameters);
      },
    };
    const outbox = await outboxIn(world, { database, leaseMs: 10_000 });
    const failed = world.database.transaction(async (tx) => {
      await outbox.add(foreign(tx), events('a1'));
      throw new Error('changed my mind');
    });
    await expect(failed).rejects.toThrow('changed my mind');
    await world.advance(60_000);
    expect(looks).toBe(9);
    expect(await contents(world.broker)).toEqual([]);
    await outbox.close();
  });

  it('leaves what it cannot publish before its close to the next one, and takes nothing more', async () => {
    await using world = await createTestWorld();
    const broker = withProducer(world.broker, (producer) => ({ ...producer, sendAll: () => Promise.reject(away()) }));
    const outbox = await outboxIn(world, { broker });
    await commit(world.database, outbox, 'a1 a2');
    const closing = outbox.close(3_000);
    await world.advance(3_000);
    await closing;
    await outbox.close();
    await expect(commit(world.database, outbox, 'a3')).rejects.toMatchObject({ reason: 'CLOSED' });
    const next = await outboxIn(world);
    await next.flush();
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    await next.close();
  });

  it('ends a flush that the database was away for, once it is back', async () => {
    await using world = await createTestWorld();
    let broken = false;
    const database = {
      ...world.database,
      transaction: ((work) => (broken ? Promise.reject(away()) : world.database.transaction(work))) as typeof world.database.transaction,
    };
    const outbox = await outboxIn(world, { database });
    await commit(world.database, outbox, 'a1');
    await world.clock.settle();
    broken = true;
    let flushed = false;
    const flushing = outbox.flush().then(() => {
      flushed = true;
    });
    await world.advance(500);
    expect(flushed).toBe(false);
    broken = false;
    await world.advance(2_000);
    expect(flushed).toBe(true);
    await flushing;
    expect(await rowCount(world.database)).toBe(0);
    expect(await contents(world.broker)).toEqual(['a1']);
    await outbox.close();
  });

  it('goes on removing rows after the database was away, and publishes none twice for it', async () => {
    await using world = await createTestWorld();
    let broken = false;
    const database = {
      ...world.database,
      transaction: ((work) => (broken ? Promise.reject(away()) : world.database.transaction(work))) as typeof world.database.transaction,
    };
    const outbox = await outboxIn(world, { database });
    await commit(world.database, outbox, 'a1');
    broken = true;
    await world.advance(5_000);
    expect(await rowCount(world.database)).toBe(1);
    broken = false;
    await world.advance(5_000);
    expect(await rowCount(world.database)).toBe(0);
    expect(await contents(world.broker)).toEqual(['a1']);
    await outbox.close();
  });
});
