import assert from 'node:assert/strict';
import type { Broker } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { outboxEvent } from '../outbox/event.ts';
import { createOutbox, type OutboxOptions } from '../outbox/outbox.ts';
import { mysqlTableOptions } from '../sql/mysql-table-options.ts';
import type { Database, Migration, SqlTransaction, SqlValue } from '../sql/port.ts';
import { defineTopic, type Topic } from '../topic/topic.ts';
import { receive, text } from './broker-subject.ts';
import type { ConformanceCase } from './conformance.ts';

/**
 * What cases for databases may need: a second instance on the same data, that the subject can be restarted, that transactions
 * run side by side and may wait for other things, or that the server can be taken away.
 */
export type DatabaseAbility = 'shared' | 'restart' | 'concurrent' | 'outage';

/** What cases for databases are run against. */
export interface DatabaseUnderTest {
  /** The database; after a restart another one. */
  readonly database: Database;
  /** Another instance on the same data, as another process would have it. Needed for the ability `shared`. */
  readonly second?: Database;
  /** What the outbox publishes to. */
  readonly broker: Broker;
  /** What the cases measure and wait by, and what the databases show. */
  readonly clock: Clock;
  /** A name that no case has used before, with a prefix that says what for. */
  uniqueName(prefix: string): string;
  /** Closes the database and opens it again on what it has stored. Needed for the ability `restart`. */
  restart?(): Promise<void>;
  /** Ends the server as a crash does, under the databases that are open; gives what starts it again on its data. Needed for the ability `outage`. */
  crash?(): Promise<() => Promise<void>>;
}

/** A case for databases. */
export type DatabaseCase = ConformanceCase<DatabaseUnderTest> & { readonly needs?: readonly DatabaseAbility[] };

const schema: readonly Migration[] = [
  {
    name: 'conformance_0001_things',
    statements: {
      sqlite: (tables) => [
        `CREATE TABLE ${tables('conformance_things')} (
          id TEXT NOT NULL PRIMARY KEY,
          number INTEGER,
          words TEXT,
          bytes BLOB
        )`,
      ],
      mysql: (tables) => [
        `CREATE TABLE ${tables('conformance_things')} (
          id VARCHAR(255) NOT NULL PRIMARY KEY,
          number BIGINT,
          words MEDIUMTEXT,
          bytes LONGBLOB
        ) ${mysqlTableOptions}`,
      ],
    },
  },
];

/** The statements that the cases use. */
export interface ThingStatements {
  readonly insert: string;
  readonly insertOrIgnore: string;
  readonly upsert: string;
  readonly add: string;
  /** number, words, bytes; id, number before */
  readonly change: string;
  readonly find: string;
  readonly findMany: string;
  readonly remove: string;
}

/** Makes the table of the cases, if it is not there. */
export async function things(database: Database): Promise<ThingStatements> {
  await database.migrate(schema);
  const { dialect } = database;
  const table = database.tables('conformance_things');
  const columns = ['id', 'number', 'words', 'bytes'];
  return {
    insert: `INSERT INTO ${table} (id, number, words, bytes) VALUES (?, ?, ?, ?)`,
    insertOrIgnore: dialect.insertOrIgnore(table, columns),
    upsert: dialect.upsert(table, columns, ['id'], (excluded) => `number = number + ${excluded('number')}, words = ${excluded('words')}`),
    add: `UPDATE ${table} SET number = number + ? WHERE id = ?`,
    change: `UPDATE ${table} SET number = ?, words = ?, bytes = ? WHERE id = ? AND number = ? ${dialect.oneRow}`,
    find: `SELECT id, number, words, bytes FROM ${table} WHERE id = ?`,
    findMany: `SELECT id, number FROM ${table} WHERE id IN ${dialect.inJson} ORDER BY id`,
    remove: `DELETE FROM ${table} WHERE id = ?`,
  };
}

/** A row of the cases' table. */
export interface Thing {
  readonly id: string;
  readonly number: SqlValue;
  readonly words: SqlValue;
  readonly bytes: SqlValue;
}

/** The number in a row; `undefined` if there is no such row. */
export async function numberOf(database: Database, id: string): Promise<SqlValue | undefined> {
  const sql = await things(database);
  const [row] = await database.query<Thing>(sql.find, [id]);
  return row?.number;
}

/** The second instance. */
export function secondOf(subject: DatabaseUnderTest): Database {
  assert.ok(subject.second !== undefined, 'the subject has the ability `shared` but no second database');
  return subject.second;
}

/** Ends the database and starts it again. */
export async function restart(subject: DatabaseUnderTest): Promise<void> {
  assert.ok(subject.restart !== undefined, 'the subject has the ability `restart` but no restart()');
  await subject.restart();
}

/** Takes the server away. */
export async function crash(subject: DatabaseUnderTest): Promise<() => Promise<void>> {
  assert.ok(subject.crash !== undefined, 'the subject has the ability `outage` but no crash()');
  return subject.crash();
}

/** A topic of texts, each its own event; what stands before `-` is the key. */
export function textTopic(name: string): Topic<string> {
  return defineTopic({
    name,
    codec: {
      contentType: 'text/plain',
      encode: (value: string) => new TextEncoder().encode(value),
      decode: (bytes) => new TextDecoder().decode(bytes),
    },
    key: (value) => value.split('-')[0] ?? value,
  });
}

export type OutboxUnderTest = Awaited<ReturnType<typeof createOutbox>>;

/** The lease of outboxes in these cases, in milliseconds. */
export const leaseMs = 1_500;

/** An outbox on a database of the subject. */
export function outboxOn(subject: DatabaseUnderTest, options: Partial<OutboxOptions> = {}): Promise<OutboxUnderTest> {
  return createOutbox({ database: subject.database, broker: subject.broker, clock: subject.clock, leaseMs, ...options });
}

/** Adds texts in one call. */
export function addTexts(outbox: OutboxUnderTest, tx: SqlTransaction, topic: Topic<string>, ...values: string[]): Promise<unknown> {
  return outbox.add(
    tx,
    values.map((value) => outboxEvent(topic, value)),
  );
}

/** Receives so many texts of a topic from its beginning. By a reader: a consumer is sent no more than it may leave unacknowledged. */
export async function published(subject: Pick<DatabaseUnderTest, 'broker' | 'clock'>, topic: string, count: number): Promise<string[]> {
  const reader = await subject.broker.createReader({ topic, start: 'earliest' });
  const messages = await receive(subject, reader, count);
  await reader.close();
  return messages.map(text);
}

/** How many messages a topic has. */
export async function countPublished(subject: DatabaseUnderTest, topic: string): Promise<number> {
  const subscription = await subject.broker.subscribe({ topic, subscription: subject.uniqueName('count'), initialPosition: 'earliest' });
  const count = await subscription.backlog();
  await subscription.unsubscribe();
  return count;
}

/** A database for a process that can die: from then on its calls neither do anything nor settle. */
export function mortal(database: Database): { readonly database: Database; die(): void } {
  let dead = false;
  const never = new Promise<never>(() => undefined);
  return {
    database: {
      ...database,
      transaction: (...call) => (dead ? never : database.transaction(...call)),
      query: (...call) => (dead ? never : database.query(...call)),
      now: (...call) => (dead ? never : database.now(...call)),
    },
    die: () => {
      dead = true;
    },
  };
}

/** The same database for a process that can stand still: meanwhile its calls wait. */
export function freezable(database: Database): { readonly database: Database; freeze(): void; thaw(): void } {
  let gate: Promise<void> | undefined;
  let open = (): void => undefined;
  return {
    database: {
      ...database,
      transaction: async (...call) => {
        await gate;
        return database.transaction(...call);
      },
      query: async (...call) => {
        await gate;
        return database.query(...call);
      },
      now: async (...call) => {
        await gate;
        return database.now(...call);
      },
    },
    freeze: () => {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    thaw: () => open(),
  };
}

/** A broker that takes nothing and never says so. */
export function deafBroker(broker: Broker): Broker {
  return {
    ...broker,
    createProducer: async (options) => ({ ...(await broker.createProducer(options)), sendAll: () => new Promise(() => undefined) }),
  };
}
