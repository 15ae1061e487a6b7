import { type Logger, PaystreamError } from '@paystream/core';
import { createSqliteDatabase } from '@paystream/core/embedded';
import type { Database } from '@paystream/core/sql';
import type { Config } from '../config/config.ts';
import { readNamed } from './named-file.ts';

async function openMysql(config: Config, url: string, logger: Logger): Promise<Database> {
  const { createMysqlDatabase } = await import('@paystream/core/mysql');
  const ca = await readNamed('PAYSTREAM_MYSQL_CA', config.PAYSTREAM_MYSQL_CA);
  let database: Database | undefined;
  try {
    database = createMysqlDatabase({
      url,
      password: config.PAYSTREAM_MYSQL_PASSWORD,
      poolSize: config.PAYSTREAM_MYSQL_POOL_SIZE,
      statementTimeoutMs: config.PAYSTREAM_MYSQL_STATEMENT_TIMEOUT_MS,
      tablePrefix: config.PAYSTREAM_TABLE_PREFIX,
      tls: config.PAYSTREAM_MYSQL_TLS === 'on' ? { ca } : false,
      logger,
    });
    await database.ping();
    return database;
  } catch (cause) {
    await database?.close();
    const { code, reason, message } = PaystreamError.from(cause);
    throw new PaystreamError(code, `${message}; PAYSTREAM_MYSQL_URL says where it is`, { reason, cause });
  }
}

/** The database that the settings ask for. `path` is where the embedded one has its file. */
export async function openDatabase(config: Config, path: string, logger: Logger): Promise<Database> {
  const url = config.PAYSTREAM_MYSQL_URL;
  if (config.PAYSTREAM_DATABASE === 'mysql' && url !== undefined) return openMysql(config, url, logger);
  return createSqliteDatabase({ path, synchronous: config.PAYSTREAM_SYNCHRONOUS, tablePrefix: config.PAYSTREAM_TABLE_PREFIX });
}
