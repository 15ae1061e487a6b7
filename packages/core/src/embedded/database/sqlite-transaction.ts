import { PaystreamError } from '../../errors/paystream-error.ts';
import type { SqlResult, SqlRow, SqlValue, Transaction } from '../../sql/port.ts';
import type { SqliteConnection } from '../sqlite/open.ts';
import type { SqliteStatement } from '../sqlite/statement-cache.ts';

const none: readonly never[] = [];

/** One member of a group: its statements run at once, and its promises are settled when they are returned. */
export class SqliteTransaction implements Transaction {
  readonly #connection: SqliteConnection;
  #over: PaystreamError | undefined;
  #callbacks: (() => void)[] | undefined;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  /** What to call once it has committed. */
  get callbacks(): readonly (() => void)[] {
    return this.#callbacks ?? none;
  }

  /** Nothing more is taken; what still comes is told why. */
  end(why?: PaystreamError): void {
    this.#over ??= why ?? overError;
  }

  #statement(sql: string): SqliteStatement {
    if (this.#over !== undefined) throw this.#over;
    const statement = this.#connection.statement(sql);
    if (statement.controls) {
      throw new PaystreamError('INVALID_ARGUMENT', `the database itself begins and ends transactions: leave out ${sql}`, {
        reason: 'TRANSACTION_CONTROL',
      });
    }
    return statement;
  }

  /** When the disk fails, SQLite may end the transaction: what came after would then be committed by itself. */
  #failed(error: unknown): unknown {
    if (!this.#connection.inTransaction) this.end(PaystreamError.from(error));
    return error;
  }

  async execute<R = SqlRow>(sql: string, parameters: readonly SqlValue[] = none): Promise<SqlResult<R>> {
    const statement = this.#statement(sql);
    try {
      if (!statement.returnsRows) return { rows: none, affected: statement.run(parameters) };
      const rows = statement.all<R>(parameters);
      return { rows, affected: statement.reads ? 0 : rows.length };
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async executeMany(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<{ readonly affected: readonly number[] }> {
    const statement = this.#statement(sql);
    const affected = new Array<number>(rows.length);
    try {
      for (let index = 0; index < rows.length; index++) affected[index] = statement.run(rows[index] ?? none);
    } catch (error) {
      throw this.#failed(error);
    }
    return { affected };
  }

  onCommit(callback: () => void): void {
    if (this.#over !== undefined) throw this.#over;
    if (this.#callbacks === undefined) this.#callbacks = [callback];
    else this.#callbacks.push(callback);
  }
}

const overError = new PaystreamError('FAILED_PRECONDITION', 'the transaction is over: await its calls before its work resolves', {
  reason: 'TRANSACTION_OVER',
});
