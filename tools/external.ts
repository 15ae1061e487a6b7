// Everything that the tests need from elsewhere: looked for, and fetched or built once into the user's cache where it is not
// there. `npm run external`; `npm run test:all` begins with it.
import { externalTool } from './external-clients.ts';
import { mariadb } from './mysql/mariadb.ts';
import { mariadbNewest } from './mysql/mariadb-newest.ts';
import { mysql } from './mysql/mysql.ts';
import { pulsarParts } from './pulsar/prepare.ts';

const parts: Readonly<Record<string, () => Promise<string>>> = {
  'compose-go': () => externalTool('compose-go'),
  curl: () => externalTool('curl'),
  ghz: () => externalTool('ghz'),
  grpcurl: () => externalTool('grpcurl'),
  mariadbd: async () => (await mariadb.find()).description,
  'mariadbd, the newest': async () => (await mariadbNewest.find()).description,
  mysqld: async () => (await mysql.find()).description,
  ...pulsarParts,
};

/** How many parts are there now and how many could not be had; prints a line for each. */
export async function prepareExternal(): Promise<{ readonly passed: number; readonly failed: number }> {
  let failed = 0;
  for (const [name, prepare] of Object.entries(parts)) {
    try {
      console.log(`${name}: ${await prepare()}`);
    } catch (error) {
      failed += 1;
      console.error(`${name}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { passed: Object.keys(parts).length - failed, failed };
}

if (import.meta.main && (await prepareExternal()).failed > 0) process.exitCode = 1;
