export { createMysqlDatabase } from './mysql-database.ts';
export { mysqlDialect } from './mysql-dialect.ts';
export { mysqlErrorOf } from './mysql-errors.ts';
export type { MysqlAdapterOptions, MysqlConnectionOptions, MysqlDatabaseOptions, MysqlPoolOptions, MysqlTls } from './options.ts';
