export { createInbox, type InboxOptions } from '../inbox/inbox.ts';
export { inboxMigrations } from '../inbox/migrations.ts';
export type { Inbox } from '../inbox/port.ts';
export { outboxEvent } from '../outbox/event.ts';
export { outboxMigrations } from '../outbox/migrations.ts';
export { createOutbox, type OutboxOptions } from '../outbox/outbox.ts';
export type { Outbox, OutboxEvent, OutboxEventOptions, OutboxHandle } from '../outbox/port.ts';
export { type Backlog, type BacklogGauges, type BacklogGaugesOptions, createBacklogGauges } from '../telemetry/backlog-gauges.ts';
export { type ObserveDatabaseOptions, observeDatabase } from '../telemetry/observed-database.ts';
export { timerMigrations } from '../timers/migrations.ts';
export type { TimerEntry, Timers } from '../timers/port.ts';
export { createTimers, type TimersOptions } from '../timers/timers.ts';
export { type ExportMigrationsOptions, exportMigrations } from './export-migrations.ts';
export { jsonList } from './json-list.ts';
export { mysqlTableOptions } from './mysql-table-options.ts';
export type {
  Database,
  DatabaseCallOptions,
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
export { type ScannedPage, type ScanPageOptions, scanPage } from './scan-page.ts';
export { defineStatements, type StatementContext } from './statements.ts';
