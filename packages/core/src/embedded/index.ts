export { createEmbeddedBroker, type EmbeddedBroker } from './broker/broker.ts';
export type { EmbeddedBrokerOptions, Retention, TopicRetention } from './broker/options.ts';
export { createSqliteDatabase, type SqliteDatabaseOptions } from './database/sqlite-database.ts';
export { sqliteDialect } from './database/sqlite-dialect.ts';
export { type FolderLock, lockFolder } from './folder-lock.ts';
