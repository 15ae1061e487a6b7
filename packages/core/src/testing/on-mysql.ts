// Runs before each test file of the projects `mysql` and `mariadb`: there a test world has its database on a real server, in a
// schema of its own.
import { createMysqlDatabase } from '../mysql/mysql-database.ts';
import { freshDatabase, realServer, runBare } from '../mysql/test-support.ts';
import { setDefaultDatabase } from './test-world.ts';

setDefaultDatabase(async () => {
  const server = await realServer();
  const url = await freshDatabase(server);
  const database = createMysqlDatabase({ url, poolSize: 5 });
  return {
    ...database,
    close: async () => {
      await database.close();
      await runBare(server.url, `DROP DATABASE IF EXISTS ${new URL(url).pathname.slice(1)}`);
    },
  };
});
