import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import type { Database, Transaction } from '../sql/port.ts';
import { noTelemetry, type Span, type SpanAttributes, type Telemetry } from './port.ts';

/** What a statement does, as traces name it. */
interface Statement {
  readonly name: string;
  readonly attributes: SpanAttributes;
}

const maxKnown = 1_000;

/** Reads the verb and the table of statements; each text is looked at once. */
function createStatements(system: string): (sql: string) => Statement {
  const known = new Map<string, Statement>();
  const read = (sql: string): Statement => {
    const operation = (/^\s*(\w+)/.exec(sql)?.[1] ?? 'statement').toUpperCase();
    const table = /\b(?:FROM|INTO|UPDATE|TABLE)\s+[`"]?(\w+)/i.exec(sql)?.[1];
    const attributes = { 'db.system.name': system, 'db.operation.name': operation, 'db.query.text': sql };
    return table === undefined
      ? { name: operation, attributes }
      : { name: `${operation} ${table}`, attributes: { ...attributes, 'db.collection.name': table } };
  };
  return (sql) => {
    let statement = known.get(sql);
    if (statement === undefined) {
      statement = read(sql);
      if (known.size < maxKnown) known.set(sql, statement);
    }
    return statement;
  };
}

/** Ends the span with the work. */
async function within<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    const result = await span.run(work);
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

/** Options of {@link observeDatabase}. */
export interface ObserveDatabaseOptions {
  /** Where spans and metrics go. */
  readonly telemetry: Telemetry;
  /** Default: the system clock. */
  readonly clock?: Clock | undefined;
}

/**
 * The same database, watched: how many transactions wait for a connection or their turn and for how long, how long
 * transactions and reads take, how often a transaction was run again, and spans of what is done within a traced call or
 * message. Statements stand in spans as they are written, with `?` for values. Give it to the services in place of the other.
 *
 * @example
 * const database = observeDatabase(await createSqliteDatabase({ path: './data/orders.db' }), { telemetry });
 */
export function observeDatabase(database: Database, options: ObserveDatabaseOptions): Database {
  const { telemetry, clock = systemClock } = options;
  if (telemetry === noTelemetry) return database;
  const system = database.name;
  const labels = { system };
  const durations = { transaction: { system, operation: 'transaction' }, query: { system, operation: 'query' } };
  const statementOf = createStatements(system);
  let waiting = 0;

  const wait = (by: 1 | -1): void => {
    waiting += by;
    telemetry.gauge('paystream_database_waiting', labels, waiting);
  };
  const took = (name: string, kind: Readonly<Record<string, string>>, startMs: number): void =>
    telemetry.observe(name, kind, (clock.monotonic() - startMs) / 1_000);

  /** What happens outside of a trace, such as looking for what is due, does not begin one. */
  const startSpan = (name: string, kind: 'internal' | 'client', attributes: SpanAttributes): Span | undefined =>
    telemetry.tracing && telemetry.current() !== undefined ? telemetry.startSpan(name, { kind, parent: 'current', attributes }) : undefined;

  const traced = (tx: Transaction): Transaction => {
    const statement = <T>(sql: string, work: () => Promise<T>, more?: SpanAttributes): Promise<T> => {
      const { name, attributes } = statementOf(sql);
      const span = startSpan(name, 'client', { ...attributes, ...more });
      return span === undefined ? work() : within(span, work);
    };
    return {
      execute: (sql, parameters) => statement(sql, () => tx.execute(sql, parameters)),
      executeMany: (sql, rows) => statement(sql, () => tx.executeMany(sql, rows), { 'db.operation.batch.size': rows.length }),
      onCommit: (callback, unknown) => tx.onCommit(callback, unknown),
    };
  };

  return {
    name: database.name,
    dialect: database.dialect,
    tables: database.tables,
    exclusive: database.exclusive,
    transaction: async (work, callOptions) => {
      const startMs = clock.monotonic();
      const span = startSpan('transaction', 'internal', { 'db.system.name': system });
      let begun = false;
      wait(1);
      const begin = (): void => {
        if (begun) {
          telemetry.count('paystream_database_retries_total', labels);
          return;
        }
        begun = true;
        wait(-1);
        took('paystream_database_wait_seconds', labels, startMs);
      };
      const run = () =>
        database.transaction((tx) => {
          begin();
          // Others may have begun what runs here: the span is made the current one again.
          return span === undefined ? work(tx) : span.run(() => work(traced(tx)));
        }, callOptions);
      try {
        return await (span === undefined ? run() : within(span, run));
      } finally {
        if (!begun) wait(-1);
        took('paystream_database_seconds', durations.transaction, startMs);
      }
    },
    query: async (sql, parameters, callOptions) => {
      const startMs = clock.monotonic();
      const { name, attributes } = statementOf(sql);
      const span = startSpan(name, 'client', attributes);
      const run = () => database.query<never>(sql, parameters, callOptions);
      try {
        return await (span === undefined ? run() : within(span, run));
      } finally {
        took('paystream_database_seconds', durations.query, startMs);
      }
    },
    now: (callOptions) => database.now(callOptions),
    migrate: (migrations, mode) => database.migrate(migrations, mode),
    ping: () => database.ping(),
    close: () => database.close(),
  };
}
