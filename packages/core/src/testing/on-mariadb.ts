// Runs before each test file of the project `mariadb`: there a test world has its database on MariaDB, in a schema of its own.
import { createMysqlDatabase } from '../mysql/mysql-database.ts';
import { freshDatabase, realServer } from '../mysql/test-support.ts';
import { setDefaultDatabase } from './test-world.ts';

setDefaultDatabase(async () => createMysqlDatabase({ url: await freshDatabase(await realServer()), poolSize: 5 }));
