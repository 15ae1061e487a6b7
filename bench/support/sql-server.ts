import { type DatabaseServer, flavors, startDatabase } from '../../tools/mysql/server.ts';

/** The option of every benchmark that starts a database server. */
export const sqlOption = { sql: '"mariadb" (default) or "mysql": the database server' } as const;

/** Starts the server that the option names, with its own settings: it waits for the disk. Its end ends it. */
export async function startSqlServer({
  sql = 'mariadb',
}: Readonly<Record<string, unknown>>): Promise<DatabaseServer & AsyncDisposable & { readonly title: string }> {
  if (sql !== 'mariadb' && sql !== 'mysql') throw new Error(`--sql is "${String(sql)}"; it is mariadb or mysql`);
  const server = await startDatabase(sql);
  return Object.assign(server, { title: flavors[sql].title, [Symbol.asyncDispose]: () => server.stop() });
}
