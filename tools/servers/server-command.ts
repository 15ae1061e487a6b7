// The commands `start | stop | status` of a server for people, which goes on in the background.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { run } from '../workspace.ts';

/** What every command of a server takes. */
interface CommonValues {
  readonly data: string;
  readonly set: readonly string[];
  readonly delete: boolean;
  readonly help: boolean;
}

/** A server, as its command line sees it. `K` are the names of its own options. */
export interface ServerCommand<K extends string> {
  /** `MariaDB` */
  readonly title: string;
  readonly help: string;
  /** Where its state is noted, and its data unless `--data` says otherwise. */
  readonly folder: string;
  /** The name of the folder of its data in `folder`. */
  readonly data: string;
  /** Options of its own, with what they are by default. */
  readonly options: Readonly<Record<K, string>>;
  /** Starts it detached; gives what to show, by name. */
  start(values: Readonly<Record<K, string>>, data: string, config: Readonly<Record<string, string>>): Promise<StartedServer>;
}

/** What is remembered of a server. */
export interface StartedServer {
  readonly pid: number | undefined;
  readonly directory: string;
  /** What people need to know of it: `{ url: 'mysql://...' }`. */
  readonly shown: Readonly<Record<string, string>>;
}

/** Runs the command that the command line asks for. What is wrong is told in a sentence, and the process ends with 1. */
export async function runServerCommand<K extends string>(args: readonly string[], server: ServerCommand<K>): Promise<void> {
  await runCommand(args, server).catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}

/** The port that an option names. */
export function portOf(option: string, text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`--${option} takes a port from 1 to 65535, not ${JSON.stringify(text)}`);
  return port;
}

function settingOf(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new Error(`--set takes name=value, not ${JSON.stringify(text)}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

async function runCommand<K extends string>(args: readonly string[], server: ServerCommand<K>): Promise<void> {
  const { title, folder } = server;
  const stateFile = join(folder, 'running.json');
  const own = Object.entries<string>(server.options).map(([name, value]) => [name, { type: 'string', default: value }] as const);
  const parsed = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...Object.fromEntries(own),
      data: { type: 'string', default: join(folder, server.data) },
      set: { type: 'string', multiple: true, default: [] },
      delete: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const values = parsed.values as unknown as CommonValues & Record<K, string>;

  /** The server of the last start, if its process still is the one that was started. */
  async function running(): Promise<StartedServer | undefined> {
    const text = await readFile(stateFile, 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    const state = JSON.parse(text) as StartedServer;
    const { stdout } = await run('ps', ['-o', 'args=', '-p', String(state.pid)]);
    return stdout.includes(state.directory) ? state : undefined;
  }

  function show({ shown, directory }: StartedServer): void {
    const lines = Object.entries({ ...shown, data: directory }).map(([name, value]) => `  ${name.padEnd(8)}${value}`);
    console.log([`${title} runs.`, ...lines].join('\n'));
  }

  async function start(): Promise<void> {
    const already = await running();
    if (already !== undefined) return show(already);
    // Before: a server of which nothing could be noted would run on, and no stop would find it.
    await mkdir(folder, { recursive: true });
    const state = await server.start(values, resolve(values.data), Object.fromEntries(values.set.map(settingOf)));
    await writeFile(stateFile, JSON.stringify(state), { mode: 0o600 });
    show(state);
  }

  async function stop(): Promise<void> {
    const state = await running();
    if (state?.pid === undefined) {
      console.log(`${title} does not run.`);
    } else {
      process.kill(state.pid, 'SIGTERM');
      while ((await running()) !== undefined) await delay(100);
      console.log(`${title} has stopped.`);
    }
    await rm(stateFile, { force: true });
    if (values.delete) await rm(state?.directory ?? resolve(values.data), { recursive: true, force: true });
  }

  async function status(): Promise<void> {
    const state = await running();
    if (state === undefined) console.log(`${title} does not run.`);
    else show(state);
    process.exitCode = state === undefined ? 1 : 0;
  }

  const [command] = parsed.positionals;
  const commands: Readonly<Record<string, () => Promise<void>>> = { start, stop, status };
  if (values.help || command === undefined) {
    console.log(server.help);
  } else if (commands[command] !== undefined) {
    await commands[command]();
  } else {
    console.error(server.help);
    process.exitCode = 2;
  }
}
