// A database server for people: `npm run mariadb -- start | stop | status`, and the same with `mysql`.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { run } from '../workspace.ts';
import type { FlavorName } from './flavor.ts';
import { flavors, startDatabase } from './server.ts';

interface Running {
  readonly pid: number;
  readonly url: string;
  readonly directory: string;
}

const [name, ...commandLine] = process.argv.slice(2) as [FlavorName, ...string[]];
const { title } = flavors[name];

const help = `Usage: npm run ${name} -- start [--port 3306] [--password paystream] [--data FOLDER] [--set name=value]...
       npm run ${name} -- stop [--delete]
       npm run ${name} -- status

Starts ${title} in the background, on loopback, with a data folder and a user of its own. Its data stays from one start to the
next; --delete throws it away.`;

const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'paystream', name);
const stateFile = join(folder, 'running.json');

/** The server of the last start, if its process still is the one that was started. */
async function running(): Promise<Running | undefined> {
  const text = await readFile(stateFile, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const state = JSON.parse(text) as Running;
  const { stdout } = await run('ps', ['-o', 'args=', '-p', String(state.pid)]);
  return stdout.includes(state.directory) ? state : undefined;
}

function show(state: Running): void {
  console.log(`${title} runs.\n  url   ${state.url}\n  data  ${state.directory}`);
}

const { values, positionals } = parseArgs({
  args: commandLine,
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '3306' },
    password: { type: 'string', default: 'paystream' },
    data: { type: 'string', default: join(folder, 'server') },
    set: { type: 'string', multiple: true, default: [] },
    delete: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function start(): Promise<void> {
  const already = await running();
  if (already !== undefined) return show(already);
  const server = await startDatabase(name, {
    port: Number(values.port),
    password: values.password,
    directory: values.data,
    config: Object.fromEntries(values.set.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)])),
    detached: true,
  });
  const { pid = -1, url, directory } = server;
  const state: Running = { pid, url, directory };
  await writeFile(stateFile, JSON.stringify(state), { mode: 0o600 });
  show(state);
}

async function stop(): Promise<void> {
  const state = await running();
  if (state === undefined) {
    console.log(`${title} does not run.`);
  } else {
    process.kill(state.pid, 'SIGTERM');
    while ((await running()) !== undefined) await delay(100);
    console.log(`${title} has stopped.`);
  }
  await rm(stateFile, { force: true });
  if (values.delete) await rm(state?.directory ?? values.data, { recursive: true, force: true });
}

const [command] = positionals;
if (values.help || command === undefined) {
  console.log(help);
} else if (command === 'start') {
  await start();
} else if (command === 'stop') {
  await stop();
} else if (command === 'status') {
  const state = await running();
  if (state === undefined) console.log(`${title} does not run.`);
  else show(state);
  process.exitCode = state === undefined ? 1 : 0;
} else {
  console.error(help);
  process.exitCode = 2;
}
