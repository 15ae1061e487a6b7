import { PaystreamError } from '../errors/paystream-error.ts';
import type { SqlResult, SqlRow, SqlValue, Transaction } from '../sql/port.ts';
import { transactionOver } from '../sql/transaction-over.ts';
import { runMany } from './bulk.ts';
import type { Session } from './connection.ts';
import { runStatement } from './run-statement.ts';
import { runSchemaChange } from './schema-change.ts';
import type { Statement } from './statement.ts';

const none: readonly never[] = [];

/** What is to be told of a transaction's end. */
export interface CommitCallbacks {
  readonly committed: () => void;
  readonly unknown: (() => void) | undefined;
}

/** Whether the server has rolled the whole transaction back, or must be thought to have. */
function endsTransaction(error: PaystreamError, session: Session): boolean {
  return error.code === 'ABORTED' || session.broken;
}

/** A transaction on a connection of its own. */
export class MysqlTransaction implements Transaction {
  readonly #session: Session;
  readonly #compile: (sql: string) => Statement;
  readonly #underWay = new Set<Promise<unknown>>();
  #over: PaystreamError | undefined;
  #lost: PaystreamError | undefined;
  #callbacks: CommitCallbacks[] | undefined;
  #statements = 0;
  #schemaChanged = false;

  constructor(session: Session, compile: (sql: string) => Statement) {
    this.#session = session;
    this.#compile = compile;
  }

  /** What to call once its end is known. */
  get callbacks(): readonly CommitCallbacks[] {
    return this.#callbacks ?? none;
  }

  /** Why the server ended it, if it did: whatever its work made of that, nothing of it is stored. */
  get lost(): PaystreamError | undefined {
    return this.#lost;
  }

  /** Whether it changes a schema, or tried to. */
  get changesSchema(): boolean {
    return this.#schemaChanged;
  }

  /**
   * Nothing more is taken, and nothing more sent, not even of calls under way: it would be stored by itself, or in the
   * transaction that has the connection next. Resolves when none is under way any more, with how many were.
   */
  async end(): Promise<number> {
    this.#over = transactionOver;
    this.#session.refuse(transactionOver);
    const { size } = this.#underWay;
    if (size > 0) await Promise.allSettled(this.#underWay);
    return size;
  }

  #statement(sql: string): Statement {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#over !== undefined) throw this.#over;
    const statement = this.#compile(sql);
    if (statement.kind === 'control') {
      throw new PaystreamError('INVALID_ARGUMENT', `the database itself begins and ends transactions: leave out ${sql}`, {
        reason: 'TRANSACTION_CONTROL',
        details: { sql },
      });
    }
    if (this.#schemaChanged || (statement.kind === 'schema' && this.#statements > 0)) {
      throw new PaystreamError(
        'FAILED_PRECONDITION',
        `MySQL commits what a transaction did before it changes a schema: let the change be the only statement of its transaction; at ${sql}`,
        { reason: 'IMPLICIT_COMMIT', details: { sql } },
      );
    }
    this.#statements += 1;
    this.#schemaChanged = statement.kind === 'schema';
    return statement;
  }

  /** Runs a statement, as a call that is under way until just before whoever awaits it goes on. */
  #call<T>(sql: string, run: (statement: Statement) => Promise<T>): Promise<T> {
    const call = this.#watch(sql, run).finally(() => this.#underWay.delete(call));
    this.#underWay.add(call);
    return call;
  }

  async #watch<T>(sql: string, run: (statement: Statement) => Promise<T>): Promise<T> {
    const statement = this.#statement(sql);
    try {
      return await run(statement);
    } catch (error) {
      // After this MySQL would take further statements each by itself, as if there had never been a transaction.
      if (PaystreamError.is(error) && endsTransaction(error, this.#session)) this.#lost ??= error;
      throw error;
    }
  }

  execute<R = SqlRow>(sql: string, parameters: readonly SqlValue[] = none): Promise<SqlResult<R>> {
    return this.#call(sql, async (statement) => {
      const run = statement.kind === 'schema' ? runSchemaChange : runStatement;
      const { rows, affected } = await run(this.#session, statement, parameters);
      return { rows: rows as readonly R[], affected };
    });
  }

  executeMany(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<{ readonly affected: readonly number[] }> {
    return this.#call(sql, async (statement) => ({ affected: await runMany(this.#session, statement, rows) }));
  }

  onCommit(committed: () => void, unknown?: () => void): void {
    if (this.#over !== undefined) throw this.#over;
    this.#callbacks ??= [];
    this.#callbacks.push({ committed, unknown });
  }
}
