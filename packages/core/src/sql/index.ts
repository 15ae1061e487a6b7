export type { Inbox } from '../inbox/port.ts';
export { outboxEvent } from '../outbox/event.ts';
export type { Outbox, OutboxEvent, OutboxEventOptions, OutboxHandle } from '../outbox/port.ts';
export type { TimerEntry, Timers } from '../timers/port.ts';
export { type ExportMigrationsOptions, exportMigrations } from './export-migrations.ts';
export { jsonList } from './json-list.ts';
export type {
  Database,
  Migration,
  MigrationMode,
  SqlDialect,
  SqlResult,
  SqlRow,
  SqlTransaction,
  SqlValue,
  TableNames,
  Transaction,
} from './port.ts';
export { defineStatements, type StatementContext } from './statements.ts';
