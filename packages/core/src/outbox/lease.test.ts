import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Database } from '../sql/port.ts';
import { createTestWorld, type TestWorld } from '../testing/test-world.ts';
import { commit, contents, outboxIn, type TestOutbox } from './test-support.ts';

const denied = new PaystreamError('UNAVAILABLE', 'UPDATE command denied', { reason: 'DATABASE_NO_ACCESS' });

/** The same database as one that others use too; until told otherwise its transactions do what they did before. */
function moody(database: Database): { readonly database: Database; before: () => Promise<void> } {
  const mood = {
    before: async (): Promise<void> => undefined,
    database: {
      ...database,
      exclusive: false,
      transaction: async (work, options) => {
        await mood.before();
        return database.transaction(work, options);
      },
    } satisfies Database,
  };
  return mood;
}

let world: TestWorld;
let shared: ReturnType<typeof moody>;
let outbox: TestOutbox;

beforeEach(async () => {
  world = await createTestWorld();
  shared = moody(world.database);
  outbox = await outboxIn(world, { database: shared.database });
});

afterEach(async () => {
  await outbox.close();
  await world[Symbol.asyncDispose]();
});

const fail = async (): Promise<never> => {
  throw denied;
};

/** What `check` says: `''` while all is well. */
const said = async (): Promise<string> => (await outbox.check?.().catch(PaystreamError.from))?.reason ?? '';

/** The same, each half second for so long, without what it said the time before. */
async function saidFor(ms: number): Promise<readonly string[]> {
  const all = [await said()];
  for (let passed = 0; passed < ms; passed += 500) {
    await world.advance(500);
    const now = await said();
    if (now !== all.at(-1)) all.push(now);
  }
  return all;
}

describe('the check of an outbox that cannot write, while nothing waits to be published', () => {
  it('rejects with the cause once the lease is over, and resolves when it is renewed', async () => {
    await world.advance(30_000);
    shared.before = fail;
    expect(await saidFor(6_000)).toEqual(['']);
    expect(await saidFor(14_000)).toEqual(['', 'OUTBOX_LEASE_LOST']);
    const check = outbox.check?.();
    await expect(check).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'OUTBOX_LEASE_LOST', cause: denied });
    await expect(check).rejects.toThrow(/ 2\d s ago.* failed with DATABASE_NO_ACCESS: UPDATE command denied$/);
    shared.before = async () => undefined;
    expect(await saidFor(4_000)).toEqual(['OUTBOX_LEASE_LOST', '']);
    await commit(shared.database, outbox, 'a1');
    await outbox.flush();
    expect(await contents(world.broker)).toEqual(['a1']);
  });

  it('rejects when a renewal gets no answer at all for as long as the lease', async () => {
    const answer = Promise.withResolvers<void>();
    shared.before = () => answer.promise;
    expect(await saidFor(10_000)).toEqual(['']);
    expect(await saidFor(10_000)).toEqual(['', 'OUTBOX_LEASE_LOST']);
    await expect(outbox.check?.()).rejects.toThrow(/ 2\d s ago.* no answer yet$/);
    shared.before = async () => undefined;
    answer.resolve();
    expect(await saidFor(4_000)).toEqual(['OUTBOX_LEASE_LOST', '']);
  });

  it('names the lease, and not the broker, once events wait as well', async () => {
    shared.before = fail;
    await world.advance(12_000);
    await commit(world.database, outbox, 'a1');
    await world.advance(12_000);
    expect(outbox.pending).toBe(1);
    expect(await said()).toBe('OUTBOX_LEASE_LOST');
    shared.before = async () => undefined;
    await world.advance(5_000);
    expect(await said()).toBe('');
    expect(await contents(world.broker)).toEqual(['a1']);
  });
});

describe('the check of an outbox that can write', () => {
  it('resolves from the start on, however long nothing happens', async () => {
    expect(await saidFor(120_000)).toEqual(['']);
  });

  it.each([
    ['fails', fail],
    ['takes nearly as long as the lease', () => world.clock.sleep(9_500)],
  ])('resolves where one renewal %s', async (_, once) => {
    await world.advance(7_000);
    let met = 0;
    shared.before = () => {
      met += 1;
      return met === 1 ? once() : Promise.resolve();
    };
    expect(await saidFor(60_000)).toEqual(['']);
    expect(met).toBeGreaterThan(5);
  });
});
