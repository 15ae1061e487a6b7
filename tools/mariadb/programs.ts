// Where the programs of MariaDB are.
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Programs of MariaDB, by their paths. */
export interface MariadbPrograms {
  readonly server: string;
  /** Makes a new data folder. */
  readonly install: string;
}

/** Debian puts servers where only root's path leads. */
const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin'];

async function find(...names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      const found = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (found) return path;
    }
  }
  return undefined;
}

/** Rejects with what to install if there is none. */
export async function findMariadb(): Promise<MariadbPrograms> {
  const [server, install] = await Promise.all([find('mariadbd', 'mysqld'), find('mariadb-install-db', 'mysql_install_db')]);
  if (server !== undefined && install !== undefined) return { server, install };
  throw new Error(
    'MariaDB is needed and there is no mariadbd on the path: install it (Debian and Ubuntu: apt-get install mariadb-server; macOS: brew install mariadb) and run this again',
  );
}
