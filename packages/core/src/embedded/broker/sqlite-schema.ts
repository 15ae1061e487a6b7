import { PaystreamError } from '../../errors/paystream-error.ts';
import type { SqliteConnection } from '../sqlite/open.ts';

/** "PSBR": what the file says it is. @see https://www.sqlite.org/pragma.html#pragma_application_id */
const applicationId = 0x50534252;
const schemaVersion = 1;

const schema = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, tail INTEGER NOT NULL);
  CREATE TABLE entries (
    id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, time_ms INTEGER NOT NULL, data BLOB NOT NULL
  );
  CREATE UNIQUE INDEX entries_by_place ON entries (topic, first, count, time_ms);
  CREATE TABLE cursors (
    topic INTEGER NOT NULL, subscription TEXT NOT NULL, position INTEGER NOT NULL, ranges BLOB, PRIMARY KEY (topic, subscription)
  ) WITHOUT ROWID;
`;

function pragma(connection: SqliteConnection, name: string): number {
  return connection.statement(`PRAGMA ${name}`).all<Record<string, number>>([])[0]?.[name] ?? 0;
}

/** Makes the tables of a new file; refuses a file that is something else or was written by a newer version. */
export function prepareSchema(connection: SqliteConnection): void {
  const details = { database: connection.path };
  const tables = connection.statement('SELECT count(*) AS tables FROM sqlite_schema').all<{ tables: number }>([])[0]?.tables ?? 0;
  if (tables === 0) {
    connection.script(
      `BEGIN IMMEDIATE; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; ${schema} COMMIT`,
    );
    return;
  }
  if (pragma(connection, 'application_id') !== applicationId) {
    throw new PaystreamError(
      'FAILED_PRECONDITION',
      `${connection.path} is a SQLite file of something else, not of the broker: choose another path`,
      {
        reason: 'NOT_A_BROKER_FILE',
        details,
      },
    );
  }
  const version = pragma(connection, 'user_version');
  if (version > schemaVersion) {
    throw new PaystreamError(
      'FAILED_PRECONDITION',
      `${connection.path} was written by a newer version (its schema is ${version}, this one knows ${schemaVersion}): upgrade @paystream/core, or choose another path`,
      { reason: 'SCHEMA_TOO_NEW', details },
    );
  }
}
