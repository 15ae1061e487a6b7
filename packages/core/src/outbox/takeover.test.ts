import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSqliteDatabase } from '../embedded/database/sqlite-database.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createSeededRandom } from '../random/seeded-random.ts';
import type { Database } from '../sql/port.ts';
import { losingAnswers } from '../testing/losing-answers.ts';
import { createTestWorld, type TestWorld } from '../testing/test-world.ts';
import { createEpochs } from './epochs.ts';
import { outboxMigrations } from './migrations.ts';
import { commit, contents, events, foreign, outboxIn, rowCount, type TestOutbox, withProducer } from './test-support.ts';

let folder: string;
let world: TestWorld;
const databases: Database[] = [];

async function open(exclusive = false): Promise<Database> {
  const database = await createSqliteDatabase({ path: join(folder, 'shared.db'), exclusive, clock: world.clock });
  databases.push(database);
  return database;
}

/** An outbox that stores and never publishes, until it is told to: as one whose process stands still, or is gone. */
async function stuckOutbox(database: Database): Promise<{ outbox: TestOutbox; thaw(): void }> {
  let thaw = (): void => undefined;
  const frozen = new Promise<void>((resolve) => {
    thaw = resolve;
  });
  const broker = withProducer(world.broker, (producer) => ({
    ...producer,
    sendAll: async (messages) => {
      await frozen;
      await producer.sendAll(messages);
    },
  }));
  return { outbox: await outboxIn(world, { database, broker }), thaw };
}

/** The same database for an instance that stands still: while it is cut off, its calls wait. */
function cutOff(database: Database): { database: Database; cut(): void; mend(): void } {
  let gate = Promise.resolve();
  let mend = (): void => undefined;
  return {
    database: {
      ...database,
      transaction: async (work) => {
        await gate;
        return database.transaction(work);
      },
      query: async (sql, parameters) => {
        await gate;
        return database.query(sql, parameters);
      },
    },
    cut: () => {
      gate = new Promise((resolve) => {
        mend = resolve;
      });
    },
    mend: () => mend(),
  };
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'paystream-'));
  world = await createTestWorld();
});

afterEach(async () => {
  for (const database of databases.splice(0)) await database.close();
  await world[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe('rows of an outbox whose process is gone', () => {
  it('are published at the next start, before anything new', async () => {
    const first = await open(true);
    const { outbox } = await stuckOutbox(first);
    await commit(first, outbox, 'a1 b1');
    await commit(first, outbox, 'a2');
    await first.close();
    const second = await open(true);
    const next = await outboxIn(world, { database: second });
    await commit(second, next, 'a3');
    await next.flush();
    expect(await contents(world.broker)).toEqual(['a1', 'b1', 'a2', 'a3']);
    expect(await rowCount(second)).toBe(0);
    await next.close();
  });

  it('are published by another instance once the lease is over, not before, and once', async () => {
    const one = await open();
    const two = await open();
    const { outbox } = await stuckOutbox(holdRenewals(one));
    const standby = await outboxIn(world, { database: two });
    const third = await outboxIn(world, { database: await open() });
    await commit(one, outbox, 'a1 a2');
    await world.advance(9_000);
    expect(await contents(world.broker)).toEqual([]);
    await world.advance(7_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    expect(await rowCount(two)).toBe(0);
    await standby.close();
    await third.close();
  });

  it('are found even if their transaction commits after the take-over', async () => {
    const one = await open();
    const two = await open();
    const { outbox } = await stuckOutbox(holdRenewals(one));
    const standby = await outboxIn(world, { database: two });
    await commit(one, outbox, 'a1');
    await world.advance(60_000);
    expect(await contents(world.broker)).toEqual(['a1']);
    await one.transaction((tx) => outbox.add(foreign(tx), events('a2')));
    await world.advance(6_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    await standby.close();
  });

  it('have nobody look through its own rows for ever, if their owner removes them before they are read', async () => {
    const first = await open(true);
    const { outbox } = await stuckOutbox(first);
    await commit(first, outbox, 'a1');
    await first.close();
    const second = await open(true);
    const [dead] = await second.query<{ readonly epoch: number }>(`SELECT epoch FROM ${second.tables('outbox')}`);
    let reads = 0;
    let scans = 0;
    const database: Database = {
      ...second,
      query: async (sql, parameters = [], ...rest) => {
        if (sql.startsWith('SELECT seq, content')) {
          reads += 1;
          await second.transaction((tx) => tx.execute(`DELETE FROM ${second.tables('outbox')}`));
        }
        if (sql.startsWith('SELECT seq, added_at') && parameters[0] !== dead?.epoch) scans += 1;
        return second.query(sql, parameters, ...rest);
      },
    };
    const heir = await outboxIn(world, { database });
    await world.advance(60_000);
    expect([reads, scans]).toEqual([1, 0]);
    await heir.close();
  });

  it('that cannot be read stay where they are, and hold up no flush', async () => {
    const database = await open();
    await database.migrate(outboxMigrations);
    await database.transaction((tx) =>
      tx.execute(`INSERT INTO ${database.tables('outbox')} (epoch, seq, added_at, events, content) VALUES (1, 1, 0, 1, ?)`, [
        new Uint8Array([99]),
      ]),
    );
    const outbox = await outboxIn(world, { database });
    await world.advance(1_000);
    await commit(database, outbox, 'a1');
    await outbox.flush();
    expect(await contents(world.broker)).toEqual(['a1']);
    expect(await rowCount(database)).toBe(1);
    expect(outbox.pending).toBe(0);
    await outbox.close();
  });

  it('of two outboxes in one process are not taken for each other’s', async () => {
    const database = await open(true);
    const { outbox, thaw } = await stuckOutbox(database);
    await commit(database, outbox, 'a1');
    const other = await outboxIn(world, { database });
    await world.advance(30_000);
    expect(await contents(world.broker)).toEqual([]);
    thaw();
    await outbox.flush();
    expect(await contents(world.broker)).toEqual(['a1']);
    await other.close();
    await outbox.close();
  });
});

/** A database whose renewals of leases fail: everything else works. */
function holdRenewals(database: Database): Database {
  return {
    ...database,
    transaction: ((work) =>
      database.transaction((tx) =>
        work({
          ...tx,
          onCommit: (callback) => tx.onCommit(callback),
          executeMany: (sql, rows) => tx.executeMany(sql, rows),
          execute: (sql, parameters) =>
            sql.includes('SET lease_until') ? Promise.reject(new Error('standing still')) : tx.execute(sql, parameters),
        }),
      )) as Database['transaction'],
  };
}

describe('an epoch without a living owner', () => {
  it('is won by one of those that reach for it at once', async () => {
    const dead = await open();
    const { outbox } = await stuckOutbox(holdRenewals(dead));
    await commit(dead, outbox, 'a1');
    await world.advance(9_000);
    const instances = await Promise.all(
      [open(), open(), open()].map(async (database) =>
        createEpochs({ database: await database, clock: world.clock, random: world.random, leaseMs: 10_000 }),
      ),
    );
    expect((await Promise.all(instances.map((one) => one.takeOver()))).flat()).toHaveLength(0);
    await world.advance(1_500);
    expect((await Promise.all(instances.map((one) => one.takeOver()))).flat()).toHaveLength(1);
    expect((await Promise.all(instances.map((one) => one.takeOver()))).flat()).toHaveLength(0);
  });

  it('is published once, however long that takes', async () => {
    const first = await open(true);
    const { outbox } = await stuckOutbox(first);
    await commit(first, outbox, 'a1 a2');
    await first.close();
    const second = await open(true);
    const { outbox: heir, thaw } = await stuckOutbox(second);
    await world.advance(30_000);
    expect(heir.pending).toBe(2);
    thaw();
    await heir.flush();
    await world.advance(30_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    await heir.close();
  });
});

describe('an instance that looks through many rows', () => {
  it('keeps its lease meanwhile, so that nobody publishes its own beside it', async () => {
    const one = await open();
    const { outbox } = await stuckOutbox(holdRenewals(one));
    await commit(one, outbox, 'a1');
    const [dead] = await one.query<{ readonly epoch: number }>(`SELECT epoch FROM ${one.tables('outbox')}`);
    if (dead === undefined) throw new Error('no row');
    await one.transaction((tx) =>
      tx.executeMany(
        `INSERT INTO ${one.tables('outbox')} (epoch, seq, added_at, events, content) SELECT epoch, ?, added_at, events, content FROM ${one.tables('outbox')} WHERE epoch = ? AND seq = 1`,
        Array.from({ length: 7_999 }, (_, index) => [index + 2, dead.epoch]),
      ),
    );
    const two = await open();
    let scans = 0;
    const slow: Database = {
      ...two,
      query: async (sql, ...rest) => {
        if (sql.startsWith('SELECT seq, added_at')) {
          scans += 1;
          await world.clock.sleep(3_000);
        }
        return two.query(sql, ...rest);
      },
    };
    const { outbox: heir } = await stuckOutbox(slow);
    await world.advance(16_000);
    expect(scans).toBeGreaterThan(0);
    const lapsed = async (): Promise<unknown[]> => [
      ...(await one.query(`SELECT epoch FROM ${one.tables('outbox_epochs')} WHERE lease_until <= ?`, [world.clock.now()])),
    ];
    let lost = 0;
    while (scans < 9) {
      await world.advance(1_000);
      lost += (await lapsed()).length;
    }
    expect(lost).toBe(0);
    const closing = heir.close(0);
    await world.advance(3_000);
    await closing;
  });
});

describe('an instance that stops in the middle of a look through the rows', () => {
  it('gives no epoch up whose events may still be on their way', async () => {
    const dead = await open();
    const { outbox } = await stuckOutbox(holdRenewals(dead));
    await commit(dead, outbox, 'a1');
    const rows = dead.tables('outbox');
    await dead.transaction((tx) =>
      tx.execute(
        `INSERT INTO ${rows} (epoch, seq, added_at, events, content) SELECT epoch + 100, seq, added_at, events, content FROM ${rows}`,
      ),
    );
    const database = await open();
    const link = cutOff(database);
    let scans = 0;
    const watched: Database = {
      ...database,
      query: (sql, ...rest) => {
        if (!sql.startsWith('SELECT seq, added_at')) return database.query(sql, ...rest);
        scans += 1;
        return link.database.query(sql, ...rest);
      },
    };
    const stored = Promise.withResolvers<void>();
    const broker = withProducer(world.broker, (producer) => ({
      ...producer,
      sendAll: () => stored.promise,
      close: () => stored.promise.then(() => producer.close()),
    }));
    const heir = await outboxIn(world, { database: watched, broker });
    while (heir.pending < 2) await world.advance(1_000);
    link.cut();
    const seen = scans;
    while (scans === seen) await world.advance(1_000);
    const epochs = (): Promise<readonly unknown[]> => database.query(`SELECT epoch FROM ${database.tables('outbox_epochs')}`);
    const before = await epochs();
    const closing = heir.close(0);
    await world.clock.settle();
    link.mend();
    await world.clock.settle();
    expect(await epochs()).toEqual(before);
    stored.resolve();
    await closing;
  });
});

describe('a take-over of which nobody can say whether it was committed', () => {
  it.each([true, false])('strands no rows: exclusive %s', async (exclusive) => {
    const first = await open(exclusive);
    const { outbox } = await stuckOutbox(holdRenewals(first));
    await commit(first, outbox, 'a1 a2');
    if (exclusive) await first.close();
    const second = await open(exclusive);
    const link = losingAnswers(second);
    link.loseNext(/INSERT.*outbox_epochs/s, 1);
    // The first sweep belongs to the start where nobody else can have the database, and its failure to the caller.
    if (exclusive) await expect(outboxIn(world, { database: link.database })).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN' });
    const heir = await outboxIn(world, { database: link.database });
    await world.advance(25_000);
    expect(link.lost).toBe(1);
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    expect(await rowCount(second)).toBe(0);
    await heir.close();
  });

  it('hides no epoch that was lost meanwhile', async () => {
    const dead = await open();
    const { outbox } = await stuckOutbox(holdRenewals(dead));
    await commit(dead, outbox, 'a1');
    const link = losingAnswers(await open());
    const heir = await createEpochs({ database: link.database, clock: world.clock, random: world.random, leaseMs: 30_000 });
    await world.advance(11_000);
    link.loseNext(/INSERT.*outbox_epochs/s);
    await expect(heir.takeOver()).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN' });
    const { current } = heir;
    await dead.transaction((tx) => tx.execute(`UPDATE ${dead.tables('outbox_epochs')} SET owner = 1 WHERE epoch = ?`, [current]));
    expect(await heir.renew()).toEqual([current]);
    expect(heir.owned.has(current)).toBe(false);
    expect(await heir.takeOver()).toHaveLength(1);
    expect(heir.owned.size).toBe(2);
  });
});

describe('a new instance', () => {
  it('never takes the number of one that left rows, even if time and chance repeat', async () => {
    const database = await open();
    await database.migrate(outboxMigrations);
    const make = () => createEpochs({ database, clock: world.clock, random: createSeededRandom(7), leaseMs: 10_000 });
    const one = await make();
    const two = await make();
    await database.transaction((tx) =>
      tx.execute(`INSERT INTO ${database.tables('outbox')} (epoch, seq, added_at, events, content) VALUES (?, 1, 0, 0, ?)`, [
        one.current,
        new Uint8Array(0),
      ]),
    );
    await one.close();
    const three = await make();
    expect(new Set([one.current, two.current, three.current]).size).toBe(3);
  });
});

describe('an instance that stood still for longer than its lease', () => {
  it('publishes nothing that others have taken, and goes on with what is new', async () => {
    const one = await open();
    const two = await open();
    const link = cutOff(one);
    let published = 0;
    const broker = withProducer(world.broker, (producer) => ({
      ...producer,
      sendAll: (messages) => {
        published += messages.length;
        return producer.sendAll(messages);
      },
    }));
    const frozen = await outboxIn(world, { database: link.database, broker });
    const standby = await outboxIn(world, { database: two });
    link.cut();
    // Committed while its renewals hang: told of the commit only after others have taken the row.
    const handle = await one.transaction((tx) => frozen.add(foreign(tx), events('a1')));
    await world.advance(20_000);
    expect(await contents(world.broker)).toEqual(['a1']);
    expect(published).toBe(0);
    handle.committed();
    link.mend();
    await world.advance(20_000);
    expect(await contents(world.broker)).toEqual(['a1']);
    expect(published).toBe(0);
    await commit(one, frozen, 'a2');
    await frozen.flush();
    expect(published).toBe(1);
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    await standby.close();
    await frozen.close();
  });

  it('publishes nothing while it closes, for as long as it cannot know whether others have taken it', async () => {
    const one = await open();
    const link = cutOff(one);
    const frozen = await outboxIn(world, { database: link.database });
    const standby = await outboxIn(world, { database: await open() });
    link.cut();
    const handle = await one.transaction((tx) => frozen.add(foreign(tx), events('a1')));
    await world.advance(20_000);
    const closing = frozen.close(1_000);
    await world.advance(2_000);
    handle.committed();
    await world.advance(1_000);
    expect(await contents(world.broker)).toEqual(['a1']);
    link.mend();
    await world.advance(1_000);
    await closing;
    expect(await contents(world.broker)).toEqual(['a1']);
    await standby.close();
  });

  it('publishes nothing new before others have published what it committed without knowing that it had lost its epoch', async () => {
    const one = await open();
    const link = cutOff(one);
    const frozen = await outboxIn(world, { database: link.database });
    const standby = await outboxIn(world, { database: await open() });
    link.cut();
    await one.transaction((tx) => frozen.add(foreign(tx), events('a1')));
    while ((await contents(world.broker)).length === 0) await world.advance(500);
    await commit(one, frozen, 'a2');
    link.mend();
    await world.clock.settle();
    await commit(one, frozen, 'a3');
    await world.advance(20_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a2', 'a3']);
    await standby.close();
    await frozen.close();
  });

  it.each(['told', 'found'])('waits for as long as others go on with what it left to them: what it commits next is %s', async (how) => {
    const one = await open();
    const link = cutOff(one);
    const frozen = await outboxIn(world, { database: link.database });
    const slow = withProducer(world.broker, (producer) => ({
      ...producer,
      sendAll: async (messages) => {
        await world.clock.sleep(15_000);
        await producer.sendAll(messages);
      },
    }));
    const standby = await outboxIn(world, { database: await open(), broker: slow, maxBatchSize: 1 });
    link.cut();
    for (const text of ['a1', 'a2', 'a3', 'a4']) await one.transaction((tx) => frozen.add(foreign(tx), events(text)));
    await world.advance(20_000);
    link.mend();
    await world.clock.settle();
    if (how === 'told') await commit(one, frozen, 'a5');
    else await one.transaction((tx) => frozen.add(foreign(tx), events('a5')));
    await world.advance(90_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']);
    await standby.close();
    await frozen.close();
  });

  it('waits for others no less long because it could not look for a while what they publish', async () => {
    const one = await open();
    const link = cutOff(one);
    let looksFail = false;
    const database: Database = {
      ...link.database,
      query: (sql, ...rest) =>
        looksFail && sql.startsWith('SELECT seq FROM') ? Promise.reject(new Error('away')) : link.database.query(sql, ...rest),
    };
    const frozen = await outboxIn(world, { database });
    let brokerAway = true;
    const broker = withProducer(world.broker, (producer) => ({
      ...producer,
      sendAll: (messages) => (brokerAway ? Promise.reject(new Error('away')) : producer.sendAll(messages)),
    }));
    const standby = await outboxIn(world, { database: await open(), broker });
    link.cut();
    for (const text of ['a1', 'a2', 'a3', 'a4']) await one.transaction((tx) => frozen.add(foreign(tx), events(text)));
    await world.advance(20_000);
    looksFail = true;
    link.mend();
    await world.clock.settle();
    await commit(one, frozen, 'a5');
    await world.advance(24_000);
    looksFail = false;
    await world.advance(1_000);
    brokerAway = false;
    await world.advance(10_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']);
    await standby.close();
    await frozen.close();
  });

  it('waits for others to publish also what it may have committed without an answer', async () => {
    const one = await open();
    const link = cutOff(one);
    let looksFail = true;
    const losing = losingAnswers({
      ...link.database,
      query: (sql, ...rest) =>
        looksFail && sql.startsWith('SELECT seq FROM') ? Promise.reject(new Error('away')) : link.database.query(sql, ...rest),
    });
    const frozen = await outboxIn(world, { database: losing.database });
    const slow = withProducer(world.broker, (producer) => ({
      ...producer,
      sendAll: async (messages) => {
        await world.clock.sleep(15_000);
        await producer.sendAll(messages);
      },
    }));
    const standby = await outboxIn(world, { database: await open(), broker: slow });
    losing.loseNext(/INSERT INTO \S*outbox \(/);
    await expect(commit(losing.database, frozen, 'a1')).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN' });
    link.cut();
    await world.advance(20_000);
    link.mend();
    await world.clock.settle();
    await commit(one, frozen, 'a2');
    await world.clock.settle();
    looksFail = false;
    await world.advance(40_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    await standby.close();
    await frozen.close();
  });

  it('does not wait for ever for others to publish what it left to them', async () => {
    const one = await open();
    const link = cutOff(one);
    const frozen = await outboxIn(world, { database: link.database });
    const { outbox: stuck } = await stuckOutbox(await open());
    link.cut();
    await one.transaction((tx) => frozen.add(foreign(tx), events('a1')));
    await world.advance(20_000);
    await commit(one, frozen, 'a2');
    link.mend();
    await world.clock.settle();
    await commit(one, frozen, 'b1');
    await world.advance(15_000);
    expect(await contents(world.broker)).toEqual([]);
    await world.advance(10_000);
    expect(await contents(world.broker)).toEqual(['b1']);
    await stuck.close(0);
    await frozen.close();
  });

  it('does not count what it had under way, which others have published meanwhile', async () => {
    const link = cutOff(await open());
    const { outbox: frozen, thaw } = await stuckOutbox(link.database);
    const standby = await outboxIn(world, { database: await open() });
    await commit(link.database, frozen, 'a1');
    link.cut();
    await world.advance(20_000);
    expect(await contents(world.broker)).toEqual(['a1']);
    link.mend();
    await world.advance(5_000);
    expect(frozen.pending).toBe(0);
    thaw();
    await world.advance(5_000);
    expect(frozen.pending).toBe(0);
    await frozen.close();
    await standby.close();
  });

  it('leaves what the broker refuses to others as well, who publish it once and in order when the broker takes it', async () => {
    const link = cutOff(await open());
    let refuses = true;
    const broker = withProducer(world.broker, (producer) => ({
      ...producer,
      sendAll: (messages) =>
        refuses && messages.some(({ key }) => key === 'b')
          ? Promise.reject(new PaystreamError('INVALID_ARGUMENT', 'too large', { reason: 'TEST' }))
          : producer.sendAll(messages),
    }));
    const frozen = await outboxIn(world, { database: link.database, broker });
    const standby = await outboxIn(world, { database: await open(), broker, maxPendingEvents: 2 });
    for (const text of ['b1', 'b2 a1', 'b3', 'b4']) await commit(link.database, frozen, text);
    await world.advance(3_000);
    link.cut();
    await world.advance(20_000);
    link.mend();
    await world.advance(5_000);
    expect([frozen.pending, standby.pending]).toEqual([0, 4]);
    expect(await contents(world.broker)).toEqual(['a1', 'a1']);
    refuses = false;
    await world.advance(70_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a1', 'b1', 'b2', 'b3', 'b4']);
    expect([frozen.pending, standby.pending]).toEqual([0, 0]);
    await frozen.close();
    await standby.close();
  });

  it('renews before it publishes, and keeps what nobody has taken', async () => {
    const one = await open();
    const outbox = await outboxIn(world, { database: holdRenewals(one) });
    await commit(one, outbox, 'a1');
    await outbox.flush();
    await world.advance(11_000);
    await commit(one, outbox, 'a2');
    await world.clock.settle();
    // It cannot know whether the row is still its own.
    expect(await contents(world.broker)).toEqual(['a1']);
    await outbox.close(0);
    const next = await outboxIn(world, { database: one });
    await world.advance(20_000);
    expect(await contents(world.broker)).toEqual(['a1', 'a2']);
    await next.close();
  });
});
