// A database server for people: `npm run mariadb -- start | stop | status`, and the same with `mysql`.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { portOf, runServerCommand } from '../servers/server-command.ts';
import type { FlavorName } from './flavor.ts';
import { flavors, startDatabase } from './server.ts';

const [name, ...args] = process.argv.slice(2) as [FlavorName, ...string[]];
const { title } = flavors[name];

await runServerCommand(args, {
  title,
  help: `Usage: npm run ${name} -- start [--port 3306] [--password paystream] [--data FOLDER] [--set name=value]...
       npm run ${name} -- stop [--delete]
       npm run ${name} -- status

Starts ${title} in the background, on loopback, with a data folder and a user of its own. Its data stays from one start to the
next; --delete throws it away.`,
  folder: join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'paystream', name),
  data: 'server',
  options: { port: '3306', password: 'paystream' },
  async start({ port, password }, directory, config) {
    const server = await startDatabase(name, { port: portOf('port', port), password, directory, config, detached: true });
    return { pid: server.pid, directory: server.directory, shown: { url: server.url } };
  },
});
