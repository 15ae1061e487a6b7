import { expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { tableNames } from '../sql/table-names.ts';
import type { Reply } from './connection.ts';
import { createMigrationSteps } from './migration-steps.ts';
import { createStatementCache } from './statement.ts';

const statements = ['CREATE TABLE orders (id INT)', 'INSERT INTO orders VALUES (1)', 'CREATE TABLE refunds (id INT)'];

/** A server with the tables that it has, and the note of how far a migration came. */
interface FakeServer {
  readonly tables: Set<string>;
  rows: number;
  step: number | undefined;
  /** Has the connection end with this statement: before or after it was carried out. */
  cut?: { readonly at: string; readonly done: boolean } | undefined;
  /** Has it refuse this statement once. */
  denies?: string | undefined;
}

function failing(errno: number, message: string): PaystreamError {
  return new PaystreamError('INTERNAL', message, { reason: 'STATEMENT_FAILED', cause: Object.assign(new Error(message), { errno }) });
}

const answer = (rows: Reply['rows'] = []): Reply => ({ rows, affected: 0, warnings: 0 });

/** A connection to it. */
function connect(server: FakeServer): Parameters<typeof createMigrationSteps>[0] {
  let broken = false;
  let before = { ...server };
  const carryOut = (text: string): Reply => {
    const [, created] = /^CREATE TABLE (\w+)/.exec(text) ?? [];
    if (text.startsWith('SELECT step')) return answer(server.step === undefined ? [] : [{ step: server.step }]);
    if (text.startsWith('START')) before = { ...server };
    else if (text.startsWith('ROLLBACK')) Object.assign(server, { rows: before.rows, step: before.step });
    else if (text.startsWith('INSERT INTO migrations_progress')) server.step = Number(/, (-?\d+)\)/.exec(text)?.[1]);
    else if (text.startsWith('INSERT INTO orders')) server.rows += 1;
    else if (created !== undefined && created !== 'IF') {
      if (server.tables.has(created)) throw failing(1050, `Table '${created}' already exists`);
      server.tables.add(created);
    }
    return answer();
  };
  return {
    run: async (text: string) => {
      const { cut, denies } = server;
      if (denies !== undefined && text.startsWith(denies)) {
        server.denies = undefined;
        throw failing(1142, 'CREATE command denied');
      }
      if (cut === undefined || !text.startsWith(cut.at)) return carryOut(text);
      server.cut = undefined;
      broken = true;
      if (cut.done) carryOut(text);
      throw new PaystreamError('UNAVAILABLE', 'the connection was lost', { reason: 'MYSQL_CONNECTION_LOST' });
    },
    abandon: () => {
      broken = true;
    },
    get broken() {
      return broken;
    },
  };
}

const start = (server: FakeServer): Promise<void> =>
  createMigrationSteps(connect(server), createStatementCache(), tableNames('')).run('shop_0001', statements);
const taken = { cause: { errno: 1050 } };

it.each(['orders', 'refunds'])(
  'a table "%s" of somebody else is never taken for ours, however often a process is started',
  async (name) => {
    const server: FakeServer = { tables: new Set([name]), rows: 0, step: undefined };
    for (let round = 0; round < 3; round++) await expect(start(server)).rejects.toMatchObject(taken);
    server.tables.delete(name);
    await start(server);
    expect([...server.tables].sort()).toEqual(['orders', 'refunds']);
    expect(server.rows).toBe(1);
  },
);

it('a table that was made when the connection was lost is taken for ours', async () => {
  const server: FakeServer = { tables: new Set(), rows: 0, step: undefined, cut: { at: 'CREATE TABLE refunds', done: true } };
  await expect(start(server)).rejects.toMatchObject({ reason: 'MYSQL_CONNECTION_LOST' });
  await start(server);
  expect(server.rows).toBe(1);
});

it('a table that was made then stays ours, though the server denies the statement before a process sees it', async () => {
  const server: FakeServer = { tables: new Set(), rows: 0, step: undefined, cut: { at: 'CREATE TABLE orders', done: true } };
  await expect(start(server)).rejects.toMatchObject({ reason: 'MYSQL_CONNECTION_LOST' });
  server.denies = 'CREATE TABLE orders';
  await expect(start(server)).rejects.toMatchObject({ cause: { errno: 1142 } });
  await start(server);
  expect(server.rows).toBe(1);
});

it('a table is not taken for ours by a process that ends before it was tried', async () => {
  const server: FakeServer = { tables: new Set(['refunds']), rows: 0, step: undefined, cut: { at: 'COMMIT', done: true } };
  await expect(start(server)).rejects.toMatchObject({ reason: 'MYSQL_CONNECTION_LOST' });
  await expect(start(server)).rejects.toMatchObject(taken);
  expect(server.rows).toBe(1);
});
