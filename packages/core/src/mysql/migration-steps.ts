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

/** How far a migration came: all statements before `step` are done. That one was begun, and nobody knows how it ended; or it was not. */
interface Progress {
  readonly step: number;
  readonly begun: boolean;
}

// In one number: one that was not begun is below zero.
const numberOf = ({ step, begun }: Progress): number => (begun ? step : -1 - step);
const progressOf = (number: number): Progress => (number < 0 ? { step: -1 - number, begun: false } : { step: number, begun: true });

/** MySQL commits each change of a schema by itself, so how far a migration came is written down beside it. */
export function createMigrationSteps(
  session: Pick<Session, 'run' | 'broken' | 'abandon'>,
  compile: (sql: string) => Statement,
  tables: TableNames,
): MigrationSteps {
  const table = tables(migrationTables.progress);
  const run = (sql: string): ReturnType<Session['run']> => session.run(sql, sql);
  const note = (name: string, progress: Progress): Promise<unknown> =>
    run(
      `INSERT INTO ${table} (name, step) VALUES (${literal(name, 0, '')}, ${numberOf(progress)}) ON DUPLICATE KEY UPDATE step = VALUES(step)`,
    );

  /** How far an earlier attempt came. */
  const stoppedAt = async (name: string): Promise<Progress> => {
    await run(`CREATE TABLE IF NOT EXISTS ${table} (name VARCHAR(255) NOT NULL PRIMARY KEY, step INT NOT NULL) ${mysqlTableOptions}`);
    const { rows } = await run(`SELECT step FROM ${table} WHERE name = ${literal(name, 0, '')}`);
    return rows[0] === undefined ? { step: 0, begun: false } : progressOf(Number(rows[0]['step']));
  };

  /** `again`: an earlier attempt may have carried it out already. */
  const change = async (name: string, step: number, sql: string, again: boolean): Promise<void> => {
    await note(name, { step, begun: true });
    try {
      await run(sql);
    } catch (error) {
      if (again && PaystreamError.is(error) && doneBefore.has(String((error.cause as { errno?: unknown })?.errno))) return;
      // The server has said no, so what is there already when this is tried again is not by this: somebody else has it.
      if (!again && !session.broken) await note(name, { step, begun: false }).catch(() => session.abandon());
      throw error;
    }
  };

  return {
    run: async (name, statements) => {
      const from = await stoppedAt(name);
      for (let step = from.step; step < statements.length; step++) {
        const sql = statements[step] ?? '';
        if (compile(sql).kind === 'schema') {
          await change(name, step, sql, from.begun && step === from.step);
          continue;
        }
        await note(name, { step, begun: false });
        // Rows change together with the note that they did.
        await run('START TRANSACTION');
        try {
          await run(sql);
          await note(name, { step: step + 1, begun: false });
          await run('COMMIT');
        } catch (error) {
          // What cannot be rolled back by hand is when the connection ends.
          if (!session.broken) await run('ROLLBACK').catch(() => session.abandon());
          throw error;
        }
      }
      await note(name, { step: statements.length, begun: false });
    },
    forget: async () => {
      await run(`DELETE FROM ${table} WHERE name IN (SELECT name FROM ${tables(migrationTables.applied)})`);
    },
  };
}
