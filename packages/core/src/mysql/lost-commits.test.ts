import { expect, it } from 'vitest';
import { silentLogger } from '../logger/port.ts';
import { systemRandom } from '../random/system-random.ts';
import type { Transaction } from '../sql/port.ts';
import { createVirtualClock, type VirtualClock } from '../testing/virtual-clock.ts';
import type { Session } from './connection.ts';
import { mysqlError } from './mysql-errors.ts';
import { createStatementCache } from './statement.ts';
import { createTransactions, type RunTransaction } from './transactions.ts';

/** Transactions on a server whose commits fail with these numbers, one after the other, and then succeed. */
function onServer(failures: number[]): { readonly run: RunTransaction; readonly ends: string[]; readonly clock: VirtualClock } {
  const ends: string[] = [];
  const clock = createVirtualClock();
  const session: Session = {
    run: async () => ({ rows: [], affected: 1, warnings: 0 }),
    runAll: async () => [],
    begin: async () => undefined,
    end: async (how) => {
      ends.push(how);
      const errno = failures.shift();
      if (errno !== undefined) throw mysqlError({ errno, message: 'no' }, 'db:3306', how);
    },
    abandon: () => undefined,
    stale: false,
    broken: false,
    own: true,
    maxStatementBytes: 1_000,
    release: () => undefined,
  };
  const run = createTransactions({
    sessions: { where: 'db:3306', acquire: async () => session, close: async () => undefined },
    compile: createStatementCache(),
    clock,
    random: systemRandom,
    logger: silentLogger,
    maxAttempts: 3,
  });
  return { run, ends, clock };
}

it.each([
  ['another server of the group was faster', 3101],
  ['Galera chose another transaction', 1213],
])('a transaction that loses at its commit is run again: %s', async (_what, errno) => {
  for (const told of [true, false]) {
    const { run, ends, clock } = onServer([errno, errno]);
    const committed: number[] = [];
    let runs = 0;
    const work = async (tx: Transaction): Promise<string> => {
      runs += 1;
      const number = runs;
      if (told) tx.onCommit(() => committed.push(number));
      await tx.execute('SELECT 1');
      return `run ${runs}`;
    };
    const done = run(work);
    await clock.advance(1_000);
    expect(await done).toBe('run 3');
    expect(ends).toEqual(['COMMIT', 'COMMIT', 'COMMIT']);
    expect(committed).toEqual(told ? [3] : []);
  }
});

it('a transaction that loses at each commit ends as one that may be repeated', async () => {
  const { run, clock } = onServer([3101, 3101, 3101]);
  const failed = expect(run((tx) => tx.execute('SELECT 1'))).rejects.toMatchObject({ code: 'ABORTED', reason: 'TRANSACTION_CONFLICT' });
  await clock.advance(1_000);
  await failed;
});
