import { PaystreamError } from '../../errors/paystream-error.ts';
import type { SqlResult, SqlRow, SqlValue, Transaction } from '../../sql/port.ts';
import { transactionOver } from '../../sql/transaction-over.ts';
import type { SqliteConnection } from '../sqlite/open.ts';
import type { SqliteStatement } from '../sqlite/statement-cache.ts';

const none: readonly never[] = [];
const answered = Promise.resolve();

/** One member of a group: its statements run at once, and its promises are settled when they are returned. */
export class SqliteTransaction implements Transaction {
  readonly #connection: SqliteConnection;
  #over: PaystreamError | undefined;
  #callbacks: (() => void)[] | undefined;
  #underWay = 0;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  /** What to call once it has committed. */
  get callbacks(): readonly (() => void)[] {
    return this.#callbacks ?? none;
  }

  /** How many calls nobody can have waited for yet. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Nothing more is taken; what still comes is told why. */
  end(why?: PaystreamError): void {
    this.#over ??= why ?? transactionOver;
  }

  #statement(sql: string): SqliteStatement {
    if (this.#over !== undefined) throw this.#over;
    const statement = this.#connection.statement(sql);
    if (statement.controls) {
      throw new PaystreamError('INVALID_ARGUMENT', `the database itself begins and ends transactions: leave out ${sql}`, {
        reason: 'TRANSACTION_CONTROL',
        details: { sql },
      });
    }
    return statement;
  }

  /** When the disk fails, SQLite may end the transaction: what came after would then be committed by itself. */
  #failed(error: unknown): unknown {
    if (!this.#connection.inTransaction) this.end(PaystreamError.from(error));
    return error;
  }

  /**
   * Runs a statement at once, and settles a little later than a work that is over by then: so one that does not wait for its
   * last call is found out, as it would be on a server.
   */
  async #call<T>(sql: string, run: (statement: SqliteStatement) => T): Promise<T> {
    this.#underWay += 1;
    try {
      return this.#run(this.#statement(sql), run);
    } finally {
      await answered;
      await answered;
      this.#underWay -= 1;
    }
  }

  #run<T>(statement: SqliteStatement, run: (statement: SqliteStatement) => T): T {
    try {
      return run(statement);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  execute<R = SqlRow>(sql: string, parameters: readonly SqlValue[] = none): Promise<SqlResult<R>> {
    return this.#call(sql, (statement) => {
      if (!statement.returnsRows) return { rows: none, affected: statement.run(parameters) };
      const rows = statement.all<R>(parameters);
      return { rows, affected: statement.reads ? 0 : rows.length };
    });
  }

  executeMany(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<{ readonly affected: readonly number[] }> {
    return this.#call(sql, (statement) => {
      const affected = new Array<number>(rows.length);
      for (let index = 0; index < rows.length; index++) affected[index] = statement.run(rows[index] ?? none);
      return { affected };
    });
  }

  onCommit(callback: () => void): void {
    if (this.#over !== undefined) throw this.#over;
    if (this.#callbacks === undefined) this.#callbacks = [callback];
    else this.#callbacks.push(callback);
  }
}
