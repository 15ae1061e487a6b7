import { defineStatements, type StatementContext } from '@paystream/core/sql';

const key = ['event_date', 'instance', 'kind', 'event'];

/** How many entries of each day, kind and event there are; each instance raises and lowers rows of its own, which are summed up. */
export const countStatements: (context: StatementContext) => Readonly<Record<'add' | 'forget', string>> = defineStatements(
  ({ tables, dialect }) => ({
    /** Day, instance, kind, event, by how many. */
    add: dialect.upsert(
      tables('log_day_counts'),
      [...key, 'entries'],
      key,
      (excluded) => `entries = ${tables('log_day_counts')}.entries + ${excluded('entries')}`,
    ),
    /** Of all days before one. */
    forget: `DELETE FROM ${tables('log_day_counts')} WHERE event_date < ?`,
  }),
);
