import { join } from 'node:path';
import { run } from '../workspace.ts';
import { fromDebian } from './debian-packages.ts';
import { asRoot, type Flavor, findProgram, type Programs, quoted } from './flavor.ts';

/** Debian's package of MariaDB brings a `mysqld` too, which is MariaDB. */
async function installed(): Promise<Programs | undefined> {
  const server = await findProgram('mysqld');
  if (server === undefined) return undefined;
  const { output } = await run(server, ['--no-defaults', '--version']);
  if (/mariadb/i.test(output) || !/Ver ([89]|\d\d)\./.test(output)) return undefined;
  return {
    description: output.trim(),
    server: [server, '--no-defaults', ...asRoot],
    install: (data) => [server, '--no-defaults', ...asRoot, '--initialize-insecure', `--datadir=${data}`],
  };
}

/** The first call fetches some 100 MB, and leaves 350 MB. */
async function ofDebian(): Promise<Programs> {
  const { usr, command, description } = await fromDebian({
    title: 'MySQL',
    folder: 'mysql',
    packageName: 'mysql-server-core',
    program: 'mysqld',
    otherwise: 'install MySQL 8.0.17 or later, so that its mysqld is on the path, and run this again',
  });
  const shared = join(usr, 'share', 'mysql');
  const server = [
    ...[...command, '--no-defaults', ...asRoot, `--basedir=${usr}`, `--lc-messages-dir=${shared}`],
    ...[`--character-sets-dir=${join(shared, 'charsets')}`, `--plugin-dir=${join(usr, 'lib', 'mysql', 'plugin')}`],
    ...['--secure-file-priv=NULL', '--mysqlx=OFF'],
  ];
  return { description, server, install: (data) => [...server, '--initialize-insecure', `--datadir=${data}`] };
}

/** MySQL of Oracle's: the one that is installed, or that of Debian's packages, in the user's cache. */
export const mysql: Flavor = {
  title: 'MySQL',

  async find() {
    return (await installed()) ?? (await ofDebian());
  },

  account: ({ user, password, tlsRequired }) => [
    `CREATE USER IF NOT EXISTS '${user}'@'%';`,
    `ALTER USER '${user}'@'%' IDENTIFIED BY ${quoted(password)} REQUIRE ${tlsRequired ? 'SSL' : 'NONE'};`,
    `GRANT ALL PRIVILEGES ON *.* TO '${user}'@'%' WITH GRANT OPTION;`,
    `ALTER USER 'root'@'localhost' IDENTIFIED BY ${quoted(password)};`,
  ],

  withoutSync: { 'innodb-flush-log-at-trx-commit': '2', 'sync-binlog': '0', 'innodb-flush-method': 'nosync' },

  asOld: undefined,

  inGbk: { 'init-connect': 'SET NAMES gbk' },
};
