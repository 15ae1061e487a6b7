import { PaystreamError } from '../errors/paystream-error.ts';
import { migrationTables } from '../sql/migration-target.ts';
import { mysqlTableOptions } from '../sql/mysql-table-options.ts';
import type { TableNames } from '../sql/port.ts';
import type { Session } from './connection.ts';
import { literal } from './literal.ts';
import type { Statement } from './statement.ts';

/** Runs the statements of migrations so that one that was cut off is taken up where it stopped. */
export interface MigrationSteps {
  run(name: string, statements: readonly string[]): Promise<void>;
  /** Forgets how far migrations came that are recorded as applied. */
  forget(): Promise<void>;
}

/** Table, column, index or key that is there already, or gone already. */
const doneBefore: ReadonlySet<string> = new Set(['1050', '1060', '1061', '1051', '1091', '1826']);

/** MySQL commits each change of a schema by itself, so how far a migration came is written down beside it. */
export function createMigrationSteps(session: Session, compile: (sql: string) => Statement, tables: TableNames): MigrationSteps {
  const table = tables(migrationTables.progress);
  const run = (sql: string): ReturnType<Session['run']> => session.run(sql, sql);
  const begun = (name: string, step: number): Promise<unknown> =>
    run(`INSERT INTO ${table} (name, step) VALUES (${literal(name, 0, '')}, ${step}) ON DUPLICATE KEY UPDATE step = VALUES(step)`);

  /** The statement that was begun and not known to be done when an earlier attempt stopped. */
  const cutOffAt = async (name: string): Promise<number | undefined> => {
    await run(`CREATE TABLE IF NOT EXISTS ${table} (name VARCHAR(255) NOT NULL PRIMARY KEY, step INT NOT NULL) ${mysqlTableOptions}`);
    const { rows } = await run(`SELECT step FROM ${table} WHERE name = ${literal(name, 0, '')}`);
    return rows[0] === undefined ? undefined : Number(rows[0]['step']);
  };

  const change = async (sql: string, again: boolean): Promise<void> => {
    try {
      await run(sql);
    } catch (error) {
      if (!again || !PaystreamError.is(error) || !doneBefore.has(String((error.cause as { errno?: unknown })?.errno))) throw error;
    }
  };

  return {
    run: async (name, statements) => {
      const from = await cutOffAt(name);
      for (let step = from ?? 0; step < statements.length; step++) {
        const sql = statements[step] ?? '';
        await begun(name, step);
        if (compile(sql).kind === 'schema') {
          await change(sql, step === from);
          continue;
        }
        // Rows change together with the note that they did.
        await run('START TRANSACTION');
        try {
          await run(sql);
          await begun(name, step + 1);
          await run('COMMIT');
        } catch (error) {
          // What cannot be rolled back by hand is when the connection ends.
          if (!session.broken) await run('ROLLBACK').catch(() => session.abandon());
          throw error;
        }
      }
      await begun(name, statements.length);
    },
    forget: async () => {
      await run(`DELETE FROM ${table} WHERE name IN (SELECT name FROM ${tables(migrationTables.applied)})`);
    },
  };
}
