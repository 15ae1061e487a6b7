import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Database, MigrationMode, SqlTransaction, Transaction } from '../sql/port.ts';
import { defineStatements } from '../sql/statements.ts';
import { inboxMigrations } from './migrations.ts';
import type { Inbox } from './port.ts';

/** Options of {@link createInbox}. */
export interface InboxOptions {
  /** Where it remembers events: the one whose transactions it joins. */
  readonly database: Database;
  /** When events are said to have been applied. Default: the system clock. */
  readonly clock?: Clock;
  /** What to do about the schema. Default: `apply`. */
  readonly migrations?: MigrationMode;
}

const inboxStatements = defineStatements(({ tables, dialect }) => ({
  remember: dialect.insertOrIgnore(tables('inbox'), ['consumer', 'event_id', 'applied_at']),
  old: `SELECT event_id FROM ${tables('inbox')} WHERE consumer = ? AND event_id > ? AND applied_at < ? ORDER BY event_id LIMIT 1000`,
  forget: `DELETE FROM ${tables('inbox')} WHERE consumer = ? AND event_id IN ${dialect.inJson}`,
}));

/** A name that were cut off to fit its column would be another's: that event would never be applied. */
function refuseTooLong(what: string, value: string, max: number): void {
  if (value.length <= max) return;
  throw new PaystreamError(
    'INVALID_ARGUMENT',
    `${what} ${value.slice(0, 40)}… has ${value.length} characters, and at most ${max} are allowed`,
    {
      reason: 'EVENT_ID_TOO_LONG',
    },
  );
}

/**
 * Makes an inbox in a database.
 *
 * Errors: those of the database, such as `UNAVAILABLE`; `FAILED_PRECONDITION` / `SCHEMA_INCOMPLETE` where a table or column was
 * dropped, `SCHEMA_OUT_OF_DATE` where migrations are only checked.
 *
 * @example
 * const inbox = await createInbox({ database });
 * await database.transaction(async (tx) => {
 *   if (await inbox.once(tx, 'welcome-mail', delivery.eventId)) await tx.execute(insertMail, [delivery.value.userId]);
 * });
 */
export async function createInbox(options: InboxOptions): Promise<Inbox> {
  const { database } = options;
  const clock = options.clock ?? systemClock;
  const sql = inboxStatements(database);
  await database.migrate(inboxMigrations, options.migrations);

  const check = (consumer: string, eventIds: readonly string[]): void => {
    refuseTooLong('the consumer', consumer, 128);
    for (const id of eventIds) refuseTooLong('the event id', id, 255);
  };

  const once = async (tx: SqlTransaction, consumer: string, eventId: string): Promise<boolean> => {
    check(consumer, [eventId]);
    const { affected } = await tx.execute(sql.remember, [consumer, eventId, clock.now()]);
    return affected === 1;
  };

  return {
    once,
    onceEach: async (tx: SqlTransaction | Transaction, consumer, eventIds) => {
      const fresh = new Set<string>();
      check(consumer, eventIds);
      if ('executeMany' in tx) {
        const now = clock.now();
        const ids = [...new Set(eventIds)];
        const { affected } = await tx.executeMany(
          sql.remember,
          ids.map((id) => [consumer, id, now]),
        );
        ids.forEach((id, index) => {
          if (affected[index] === 1) fresh.add(id);
        });
        return fresh;
      }
      for (const id of eventIds) if (await once(tx, consumer, id)) fresh.add(id);
      return fresh;
    },
    forget: async (consumer, beforeMs) => {
      // In parts: a table of millions must not hold up every other write.
      let after = '';
      let forgotten = 0;
      for (;;) {
        const rows = await database.query<{ readonly event_id: string }>(sql.old, [consumer, after, beforeMs]);
        const last = rows.at(-1);
        if (last === undefined) return forgotten;
        const ids = rows.map((row) => row.event_id);
        const { affected } = await database.transaction((tx) => tx.execute(sql.forget, [consumer, jsonList(ids)]));
        forgotten += affected;
        after = last.event_id;
      }
    },
  };
}
