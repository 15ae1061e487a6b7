// A broker for people: `npm run pulsar -- start | stop | status`.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { run } from '../workspace.ts';
import { startPulsar } from './broker.ts';
import { cacheFolder, pulsarVersion } from './jars.ts';

interface Running {
  readonly pid: number;
  readonly serviceUrl: string;
  readonly adminUrl: string;
  readonly directory: string;
}

const help = `Usage: npm run pulsar -- start [--port 6650] [--web-port 8080] [--data FOLDER] [--set name=value]...
       npm run pulsar -- stop [--delete]
       npm run pulsar -- status

Starts Apache Pulsar ${pulsarVersion} (broker and bookie in one process) on this machine in the background. Its data stays
from one start to the next; --delete throws it away. Needs Java 17 with Maven, or Docker.`;

const stateFile = join(cacheFolder(), 'running.json');

/** The broker of the last start, if its process still is the one that was started. */
async function running(): Promise<Running | undefined> {
  const text = await readFile(stateFile, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const state = JSON.parse(text) as Running;
  const { stdout } = await run('ps', ['-o', 'args=', '-p', String(state.pid)]);
  return stdout.includes(state.directory) ? state : undefined;
}

function show(state: Running): void {
  console.log(`Pulsar ${pulsarVersion} runs.\n  service  ${state.serviceUrl}\n  admin    ${state.adminUrl}\n  data     ${state.directory}`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '6650' },
    'web-port': { type: 'string', default: '8080' },
    data: { type: 'string', default: join(cacheFolder(), 'data') },
    set: { type: 'string', multiple: true, default: [] },
    delete: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function start(): Promise<void> {
  const already = await running();
  if (already !== undefined) return show(already);
  const broker = await startPulsar({
    ports: { broker: Number(values.port), web: Number(values['web-port']) },
    directory: values.data,
    config: Object.fromEntries(values.set.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)])),
    detached: true,
  });
  const { pid = -1, serviceUrl, adminUrl, directory } = broker;
  const state: Running = { pid, serviceUrl, adminUrl, directory };
  await writeFile(stateFile, JSON.stringify(state));
  show(state);
}

async function stop(): Promise<void> {
  const state = await running();
  if (state === undefined) {
    console.log('Pulsar does not run.');
  } else {
    process.kill(state.pid, 'SIGTERM');
    while ((await running()) !== undefined) await delay(100);
    console.log('Pulsar has stopped.');
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
  if (state === undefined) console.log('Pulsar does not run.');
  else show(state);
  process.exitCode = state === undefined ? 1 : 0;
} else {
  console.error(help);
  process.exitCode = 2;
}
