import { join } from 'node:path';
import { run } from '../workspace.ts';
import { fromDebian } from './debian-packages.ts';
import { asRoot, type Flavor, type Programs } from './flavor.ts';
import { mariadb } from './mariadb.ts';

/** From this version on the one that is installed is new enough. */
const newest = [11, 8];

/** The one that is installed, if it is as new. */
async function installed(): Promise<Programs | undefined> {
  const programs = await mariadb.find().catch(() => undefined);
  if (programs === undefined) return undefined;
  const [command = ''] = programs.server;
  const { output } = await run(command, ['--no-defaults', '--version']);
  const [major = 0, minor = 0] = (/Ver (\d+)\.(\d+)/.exec(output) ?? []).slice(1).map(Number);
  const [fromMajor = 0, fromMinor = 0] = newest;
  return major > fromMajor || (major === fromMajor && minor >= fromMinor) ? { ...programs, description: output.trim() } : undefined;
}

/** What `mariadb-install-db` hands to the server, which it cannot start here: its libraries are not the machine's. */
const tables = [
  'mariadb_system_tables.sql',
  'mariadb_performance_tables.sql',
  'mariadb_system_tables_data.sql',
  'maria_add_gis_sp_bootstrap.sql',
  'mariadb_sys_schema.sql',
];
const makeTables = `data=$1; shift; mkdir -p "$data" && cd "$1" && shift && {
  printf 'CREATE DATABASE mysql;\\nUSE mysql;\\nSET @auth_root_socket = NULL;\\n'
  cat ${tables.join(' ')}
} | "$@" --datadir="$data" --bootstrap`;

/** The first call fetches some 16 MB, and leaves 75 MB. */
async function ofDebian(): Promise<Programs> {
  const { usr, command, description } = await fromDebian({
    title: 'MariaDB 11.8 or later',
    folder: 'mariadb-newest',
    packageName: 'mariadb-server-core',
    program: 'mariadbd',
    otherwise: 'install it, so that its mariadbd is on the path, and run this again',
  });
  const shared = join(usr, 'share', 'mariadb');
  const server = [
    ...[...command, '--no-defaults', ...asRoot, `--basedir=${usr}`, `--lc-messages-dir=${shared}`],
    ...[`--character-sets-dir=${join(shared, 'charsets')}`, `--plugin-dir=${join(usr, 'lib', 'mysql', 'plugin')}`],
  ];
  return { description, server, install: (data) => ['sh', '-c', makeTables, 'sh', data, shared, ...server] };
}

/** The newest MariaDB: the one that is installed if it is 11.8 or later, or that of Debian's packages, in the user's cache. */
export const mariadbNewest: Flavor = {
  ...mariadb,
  title: 'the newest MariaDB',

  async find() {
    return (await installed()) ?? (await ofDebian());
  },
};
