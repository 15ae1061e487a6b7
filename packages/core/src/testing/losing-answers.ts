import { PaystreamError } from '../errors/paystream-error.ts';
import type { Database, Transaction } from '../sql/port.ts';

/** A database that commits, and whose answer may be lost on the way. */
export interface LosingAnswers {
  readonly database: Database;
  /** How many answers were lost. */
  readonly lost: number;
  /** Of the transactions that run a statement like this, passes over some and then loses one's answer. Default: passes over none. */
  loseNext(statement: RegExp, passOver?: number): void;
}

/** The same database for a process whose connection breaks between a commit and its answer: what is stored is reported as `COMMIT_UNKNOWN`. */
export function losingAnswers(database: Database): LosingAnswers {
  let wanted: RegExp | undefined;
  let left = 0;
  let lost = 0;

  const watch = (tx: Transaction, seen: (sql: string) => void, isLost: () => boolean): Transaction => ({
    execute: (sql, parameters) => {
      seen(sql);
      return tx.execute(sql, parameters);
    },
    executeMany: (sql, rows) => {
      seen(sql);
      return tx.executeMany(sql, rows);
    },
    onCommit: (committed, unknown) => tx.onCommit(() => (isLost() ? unknown?.() : committed()), unknown),
  });

  return {
    get lost() {
      return lost;
    },
    loseNext: (statement, passOver = 0) => {
      wanted = statement;
      left = passOver;
    },
    database: {
      ...database,
      transaction: async (work, options) => {
        let matches = false;
        const seen = (sql: string): void => {
          matches ||= wanted?.test(sql) === true;
        };
        const isLost = (): boolean => matches && left === 0;
        const result = await database.transaction((tx) => {
          matches = false;
          return work(watch(tx, seen, isLost));
        }, options);
        const losing = isLost();
        if (matches) left -= 1;
        if (losing) wanted = undefined;
        if (!losing) return result;
        lost += 1;
        throw new PaystreamError('UNAVAILABLE', 'the connection was lost during the commit', { reason: 'COMMIT_UNKNOWN' });
      },
    },
  };
}
