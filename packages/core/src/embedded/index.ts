export { createSqliteDatabase, type SqliteDatabaseOptions } from './database/sqlite-database.ts';
export { sqliteDialect } from './database/sqlite-dialect.ts';
