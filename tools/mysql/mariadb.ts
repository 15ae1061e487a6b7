import { asRoot, type Flavor, findProgram, quoted } from './flavor.ts';

/** MariaDB, as it is installed on this machine. */
export const mariadb: Flavor = {
  title: 'MariaDB',

  async find() {
    const [server, install] = await Promise.all([findProgram('mariadbd', 'mysqld'), findProgram('mariadb-install-db', 'mysql_install_db')]);
    if (server === undefined || install === undefined) {
      throw new Error(
        'MariaDB is needed and there is no mariadbd on the path: install it (Debian and Ubuntu: apt-get install mariadb-server; macOS: brew install mariadb) and run this again',
      );
    }
    return {
      description: server,
      server: [server, '--no-defaults', ...asRoot],
      install: (data) => [
        install,
        '--no-defaults',
        ...asRoot,
        `--datadir=${data}`,
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
      ],
    };
  },

  account: ({ user, password, tlsRequired }) => [
    `CREATE OR REPLACE USER '${user}'@'%' IDENTIFIED BY ${quoted(password)}${tlsRequired ? ' REQUIRE SSL' : ''};`,
    `GRANT ALL PRIVILEGES ON *.* TO '${user}'@'%' WITH GRANT OPTION;`,
    `ALTER USER 'root'@'localhost' IDENTIFIED BY ${quoted(password)};`,
  ],

  withoutSync: { 'innodb-flush-log-at-trx-commit': '2', 'loose-innodb-flush-method': 'nosync', 'loose-debug-no-sync': '1' },

  asOld: { version: '10.4.0-MariaDB' },

  inGbk: { 'character-set-client-handshake': '0', 'character-set-server': 'gbk' },
};
