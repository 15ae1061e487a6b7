import type { PoolConnection } from 'mysql2';
import { describe, expect, it } from 'vitest';
import type { PaystreamError } from '../errors/paystream-error.ts';
import { silentLogger } from '../logger/port.ts';
import { systemRandom } from '../random/system-random.ts';
import type { Transaction } from '../sql/port.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createSession } from './connection.ts';
import { createStatementCache } from './statement.ts';
import { createTransactions } from './transactions.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Refusal {
  readonly errno?: number;
  readonly code?: string;
  readonly message: string;
}

interface World {
  /** What the server got, and what became of the connection. */
  readonly log: readonly string[];
  run<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}

/**
 * A pool of one connection to a server that answers in order, a turn later, and refuses what it is told to. As with the driver,
 * nothing that waits behind a statement whose time was over is ever called back.
 */
function world(refuses: (text: string, times: number) => Refusal | undefined, several = true): World {
  const log: string[] = [];
  const times = new Map<string, number>();
  let last = Promise.resolve();
  let connected = 1;
  const answer = (text: string): object =>
    text.startsWith('SELECT @@')
      ? [{ seconds: 86_400 }]
      : { affectedRows: /^INSERT/.test(text) ? text.split('(').length - 2 : 0, warningStatus: 0 };
  const connection = {
    query: ({ sql }: { sql: string }, done: (cause: unknown, results?: unknown, fields?: unknown) => void) => {
      const on = connected;
      last = last.then(turn).then(() => {
        if (on !== connected) return;
        const parts = sql.split(';');
        log.push(...parts.map((part) => part.replace(/\(0\).*/, '(...)')));
        const count = (times.get(sql) ?? 0) + 1;
        times.set(sql, count);
        const refusal = refuses(sql, count);
        if (refusal?.code === 'PROTOCOL_SEQUENCE_TIMEOUT') connected += 1;
        if (refusal !== undefined) done(Object.assign(new Error(refusal.message), refusal));
        else if (parts.length === 1) done(null, answer(sql));
        else done(null, parts.map(answer), []);
      });
    },
    release: () => log.push('released'),
    destroy: () => log.push('destroyed'),
  } as unknown as PoolConnection;
  let free = Promise.resolve();
  const facts = { foreignIsolation: false, maxStatementBytes: 1e6 };
  const sessions = {
    where: 'here',
    acquire: async () => {
      const before = free;
      const given = Promise.withResolvers<void>();
      free = given.promise;
      await before;
      const released = given.resolve;
      return createSession({ connection, where: 'here', timeoutMs: 0, typeCast: undefined, several, released }, () => facts);
    },
    close: () => Promise.resolve(),
  };
  const clock = createVirtualClock();
  const run = createTransactions({
    sessions,
    compile: createStatementCache(),
    clock,
    random: systemRandom,
    logger: silentLogger,
    maxAttempts: 3,
  });
  return {
    log,
    run: async (work) => {
      let over = false;
      const running = run(work).finally(() => {
        over = true;
      });
      await Promise.allSettled([running, clock.runUntil(() => over)]);
      return running;
    },
  };
}

const insert = 'INSERT INTO t (a) VALUES (?)';
const rows = (count: number): number[][] => Array.from({ length: count }, (_, index) => [index]);
const taken = (text: string): Refusal | undefined => (/bad/.test(text) ? { errno: 1062, message: 'Duplicate entry' } : undefined);

describe('a transaction sends nothing more once its work is over', () => {
  it.each([true, false])(
    'though one of its calls has parts left to send, so none runs by itself or in another (several: %s)',
    async (several) => {
      const { log, run } = world(taken, several);
      let many: Promise<unknown> | undefined;
      const first = run((tx) => {
        many = tx.executeMany(insert, rows(3_500));
        return Promise.all([many, tx.execute('INSERT INTO bad (a) VALUES (1)')]);
      });
      const second = run((tx) => tx.execute('UPDATE money SET a = 1'));
      await expect(first).rejects.toMatchObject({ reason: 'UNIQUE_VIOLATION' });
      await expect(many).rejects.toMatchObject({ reason: 'TRANSACTION_OVER' });
      await second;
      await turn();
      const end = log.indexOf('ROLLBACK');
      expect(log.slice(end)).toEqual(['ROLLBACK', 'released', 'START TRANSACTION', 'UPDATE money SET a = 1', 'COMMIT', 'released']);
    },
  );

  it('and stores nothing if its work forgot to wait for a call', async () => {
    const { log, run } = world(taken);
    const committed: string[] = [];
    const forgetful = run(async (tx) => {
      tx.onCommit(() => committed.push('told'));
      await tx.execute(insert, [0]);
      void tx.executeMany(insert, rows(3_500));
    });
    await expect(forgetful).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'CALL_NOT_AWAITED' });
    expect(log).not.toContain('COMMIT');
    expect(log.slice(-2)).toEqual(['ROLLBACK', 'released']);
    expect(committed).toEqual([]);
  });
});

describe('a connection whose first statement of a transaction fails', () => {
  const first = (refusal: Refusal) => (text: string, times: number) => (text.includes('INSERT') && times === 1 ? refusal : undefined);
  const begins = (log: readonly string[]): number => log.filter((text) => text === 'START TRANSACTION').length;

  it('because it was closed while it lay idle is replaced, and the transaction runs on another', async () => {
    const { log, run } = world(first({ code: 'ECONNRESET', message: 'read ECONNRESET' }));
    await run((tx) => tx.execute(insert, [0]));
    expect(begins(log)).toBe(2);
  });

  it('because the server answers nothing is not followed by one that waits as long again', async () => {
    const { log, run } = world(first({ code: 'PROTOCOL_SEQUENCE_TIMEOUT', message: 'Query inactivity timeout' }));
    const failed = run((tx) => tx.execute(insert, [0]));
    await expect(failed).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'MYSQL_STATEMENT_TIMEOUT' });
    expect(begins(log)).toBe(1);
    expect(log.at(-1)).toBe('destroyed');
  });
});

describe('a transaction ends, and its connection is free for others, when the server answers nothing any more', () => {
  const silence = (which: RegExp) => (text: string) =>
    which.test(text) ? { code: 'PROTOCOL_SEQUENCE_TIMEOUT', message: 'Query inactivity timeout' } : undefined;
  const add = (tx: Transaction): Promise<unknown> => tx.execute('INSERT INTO silent (a) VALUES (?)', [0]);
  const timedOut = { code: 'UNAVAILABLE', reason: 'MYSQL_STATEMENT_TIMEOUT' };

  it.each<[string, (tx: Transaction) => Promise<unknown>]>([
    ['to the first of two calls side by side', (tx) => Promise.all([add(tx), tx.execute('UPDATE t SET a = 1')])],
    ['to the second', (tx) => Promise.all([tx.execute('UPDATE t SET a = 1'), add(tx)])],
    [
      'to two calls later',
      async (tx) => [await tx.execute('UPDATE t SET a = 1'), await Promise.all([add(tx), tx.execute('UPDATE t SET a = 2')])],
    ],
    ['to many rows that begin it', (tx) => tx.executeMany('DELETE FROM silent WHERE a = ?', rows(2))],
    ['to a change of a schema', (tx) => tx.execute('ALTER TABLE silent ADD b INT')],
  ])('%s', async (_what, work) => {
    const { log, run } = world(silence(/silent/));
    await expect(run(work)).rejects.toMatchObject(timedOut);
    expect(log.at(-1)).toBe('destroyed');
    await run((tx) => tx.execute('UPDATE t SET a = 3'));
    expect(log.slice(-3)).toEqual(['UPDATE t SET a = 3', 'COMMIT', 'released']);
  });
});

describe('a COMMIT that the server refuses', () => {
  const add = (tx: Transaction): Promise<unknown> => tx.execute(insert, [0]);
  const once = ['START TRANSACTION', 'INSERT INTO t (a) VALUES (...)', 'COMMIT'];

  it.each([
    [1213, 'as the nodes of Galera do where two changed the same row'],
    [3101, 'as the members of a replication group do'],
  ])('because the transaction lost is run again (%i): %s', async (errno) => {
    const { log, run } = world((text, times) => (text === 'COMMIT' && times === 1 ? { errno, message: 'rolled back' } : undefined));
    const told: string[] = [];
    await run(async (tx) => {
      tx.onCommit(
        () => told.push('committed'),
        () => told.push('unknown'),
      );
      await add(tx);
    });
    expect(log).toEqual([...once, 'ROLLBACK', 'released', ...once, 'released']);
    expect(told).toEqual(['committed']);
  });

  it('every time is given up after maxAttempts', async () => {
    const { log, run } = world((text) => (text === 'COMMIT' ? { errno: 1213, message: 'Deadlock found' } : undefined));
    await expect(run(add)).rejects.toMatchObject({ code: 'ABORTED', reason: 'DEADLOCK' });
    expect(log.filter((text) => text === 'COMMIT')).toHaveLength(3);
  });
});

describe('a connection of which nobody knows what it has open', () => {
  const full = { errno: 1114, message: 'The table is full' };

  it('since ROLLBACK failed is not given back, so no transaction goes on in it', async () => {
    const { log, run } = world((text) => (text === 'ROLLBACK' || /bad/.test(text) ? full : undefined));
    await expect(run((tx) => tx.execute('INSERT INTO bad (a) VALUES (1)'))).rejects.toMatchObject({ reason: 'DISK_FULL' });
    expect(log.slice(-2)).toEqual(['ROLLBACK', 'destroyed']);
  });

  it.each([true, false])(
    'since COMMIT failed is not given back, and the commit counts as unknown (with callbacks: %s)',
    async (callbacks) => {
      const { log, run } = world((text) => (text === 'COMMIT' ? full : undefined));
      const told: string[] = [];
      const failing = run(async (tx) => {
        if (callbacks)
          tx.onCommit(
            () => undefined,
            () => told.push('unknown'),
          );
        await tx.execute(insert, [0]);
      });
      const error = (await failing.catch((thrown: unknown) => thrown)) as PaystreamError;
      expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'COMMIT_UNKNOWN' });
      expect(error.message).toBe(`MySQL at here: ${full.message}: during COMMIT, so the transaction may have been stored or not`);
      expect(log.slice(-2)).toEqual(['COMMIT', 'destroyed']);
      expect(told).toEqual(callbacks ? ['unknown'] : []);
    },
  );
});

describe('a transaction that waited in vain for a row', () => {
  const statement = 'UPDATE t SET a = 1';
  const timedOut = { errno: 1205, message: 'Lock wait timeout exceeded' };

  it('is run again', async () => {
    const { log, run } = world((text, times) => (text === statement && times === 1 ? timedOut : undefined), false);
    await run((tx) => tx.execute(statement));
    expect(log).toEqual(['START TRANSACTION', statement, 'ROLLBACK', 'released', 'START TRANSACTION', statement, 'COMMIT', 'released']);
  });

  it('has waited long enough the second time', async () => {
    const { log, run } = world((text) => (text === statement ? timedOut : undefined), false);
    await expect(run((tx) => tx.execute(statement))).rejects.toMatchObject({ code: 'ABORTED', reason: 'LOCK_TIMEOUT' });
    expect(log.filter((text) => text === statement)).toHaveLength(2);
  });
});

describe('a change of a schema', () => {
  const change = 'ALTER TABLE t ADD b INT';

  it.each([
    ['is done', undefined],
    ['has waited in vain', { errno: 1205, message: 'Lock wait timeout exceeded' }],
  ])('waits for who uses the table for some seconds only, and leaves the session as it was when it %s', async (_, refusal) => {
    const { log, run } = world((text) => (text === change ? refusal : undefined));
    const done = run((tx) => tx.execute(change));
    if (refusal === undefined) await done;
    else await expect(done).rejects.toMatchObject({ reason: 'LOCK_TIMEOUT' });
    const at = log.indexOf(change);
    // All who come after it wait behind it: a second attempt at once would stop them twice.
    expect(log.filter((text) => text === change)).toHaveLength(1);
    expect(log.slice(at - 1, at + 2)).toEqual(['SET SESSION lock_wait_timeout = 2', change, 'SET SESSION lock_wait_timeout = 86400']);
    expect(log.at(-1)).toBe('released');
  });

  it('that leaves the session otherwise ends it', async () => {
    const { log, run } = world((text) => (text.endsWith('86400') ? { errno: 1114, message: 'full' } : undefined));
    await run((tx) => tx.execute(change));
    expect(log.at(-1)).toBe('destroyed');
  });
});
