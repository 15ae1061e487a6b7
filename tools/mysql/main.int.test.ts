import { readFileSync } from 'node:fs';
import { access, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterEach, beforeEach, expect, it, type TestContext } from 'vitest';
import { freePorts } from '../servers/server-process.ts';
import { type Finished, root, run } from '../workspace.ts';
import type { FlavorName } from './flavor.ts';
import { flavors } from './server.ts';

let folder: string;
/** Where the data goes, which has nothing to do with where the command keeps its notes. */
let data: string;
let name: FlavorName;

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<FlavorName, string>>;
};

/** What `npm run NAME -- ARGS` runs, without npm, which takes longer to start than most of these commands take. */
function command(...args: readonly string[]): Promise<Finished> {
  const [program = '', ...first] = scripts[name].split(' ');
  return run(program, [...first, ...args], { env: { XDG_CACHE_HOME: join(folder, 'cache') } });
}

beforeEach(async ({ task }: TestContext) => {
  name = task.file.projectName as FlavorName;
  folder = await mkdtemp(join(tmpdir(), 'paystream-command-'));
  data = join(folder, 'elsewhere', 'data');
  // Notes of its own, and the programs that were fetched for everybody.
  await flavors[name].find();
  const [shared, own] = [process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), join(folder, 'cache')].map((one) =>
    join(one, 'paystream'),
  ) as [string, string];
  await mkdir(own, { recursive: true });
  for (const fetched of await readdir(shared).catch(() => [])) {
    if (fetched.startsWith(`${name}-`)) await symlink(join(shared, fetched), join(own, fetched));
  }
});

afterEach(async () => {
  await command('stop');
  await rm(folder, { recursive: true, force: true });
});

async function query(url: string, ...statements: readonly string[]): Promise<unknown> {
  const connection = await createConnection(url);
  try {
    let rows: unknown;
    for (const statement of statements) [rows] = await connection.query(statement);
    return rows;
  } finally {
    await connection.end();
  }
}

it('a server of one’s own starts, tells where it is, stops, comes back with its data, and is thrown away with it', async () => {
  const [port] = await freePorts(1);
  const { title } = flavors[name];
  const where = `mysql://paystream:so%20secret@127.0.0.1:${port}/paystream`;
  const runs = { code: 0, output: `${title} runs.\n  url     ${where}\n  data    ${data}\n` };
  const doesNotRun = { code: 1, output: `${title} does not run.\n` };
  const start = ['start', '--port', String(port), '--password', 'so secret', '--data', data, '--set', 'max_connections=33'];
  expect(await command('status')).toMatchObject(doesNotRun);

  expect(await command(...start)).toMatchObject(runs);
  expect(await command('status')).toMatchObject(runs);
  const written = ['CREATE TABLE kept (id INT PRIMARY KEY)', 'INSERT INTO kept VALUES (7)', 'SELECT @@max_connections AS most'];
  expect(await query(where, ...written)).toEqual([{ most: 33 }]);
  // Not a second one.
  expect(await command('start')).toMatchObject(runs);

  expect(await command('stop')).toMatchObject({ code: 0, output: `${title} has stopped.\n` });
  await expect(query(where, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(await command('status')).toMatchObject(doesNotRun);

  expect(await command(...start)).toMatchObject(runs);
  expect(await query(where, 'SELECT id FROM kept')).toEqual([{ id: 7 }]);
  expect(await command('stop', '--delete')).toMatchObject({ code: 0, output: `${title} has stopped.\n` });
  await expect(access(data)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await command('stop')).toMatchObject({ code: 0, output: `${title} does not run.\n` });
});

it('what is wrong with how it is called is said in a line, and nothing starts', async () => {
  const other = createServer();
  const [taken] = await freePorts(1);
  await new Promise<void>((resolve) => other.listen(taken, '127.0.0.1', resolve));
  const wrong: readonly [args: readonly string[], line: RegExp][] = [
    [['start', '--prot', '1'], /^Unknown option '--prot'/],
    [['start', '--port', '70000'], /^--port takes a port from 1 to 65535, not "70000"$/],
    [['start', '--set', 'max_connections'], /^--set takes name=value, not "max_connections"$/],
    [['start', '--port', String(taken)], new RegExp(`^${flavors[name].title} cannot have port ${taken}: something else listens there`)],
  ];
  for (const [args, line] of wrong) {
    const { code, output } = await command(...args, '--data', data);
    expect([code, output.trimEnd()]).toEqual([1, expect.stringMatching(line)]);
    expect(output.trimEnd()).not.toContain('\n');
  }
  await new Promise((resolve) => other.close(resolve));
  expect(await command('restart')).toMatchObject({ code: 2, output: expect.stringMatching(`^Usage: npm run ${name} -- start `) });
  expect(await command('status')).toMatchObject({ code: 1 });
});
