import assert from 'node:assert/strict';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Database, Migration } from '../sql/port.ts';
import { rejectsWith } from './broker-subject.ts';
import { type DatabaseCase, restart, secondOf } from './database-subject.ts';

/** A table of its own for each case, that grows from version to version. */
function steps(name: string): readonly Migration[] {
  const step = (number: number, write: (table: string) => readonly string[]): Migration => ({
    name: `${name}_000${number}`,
    statements: { sqlite: (tables) => write(tables(name)), mysql: (tables) => write(tables(name)) },
  });
  return [
    step(1, (table) => [`CREATE TABLE ${table} (id INTEGER NOT NULL PRIMARY KEY, amount INTEGER NOT NULL)`]),
    step(2, (table) => [
      `ALTER TABLE ${table} ADD COLUMN currency VARCHAR(3)`,
      `UPDATE ${table} SET currency = 'EUR'`,
      `CREATE INDEX ${table}_by_currency ON ${table} (currency)`,
    ]),
    step(3, (table) => [`ALTER TABLE ${table} ADD COLUMN note TEXT`]),
  ];
}

const tableName = (name: string): string => name.replaceAll('-', '_');

function insert(database: Database, name: string, id: number): Promise<unknown> {
  return database.transaction((tx) => tx.execute(`INSERT INTO ${database.tables(name)} (id, amount) VALUES (?, ?)`, [id, id * 100]));
}

/** Schemas: from the first version to the newest, by several packages and several processes. */
export const migrationCases: readonly DatabaseCase[] = [
  {
    name: 'a schema grows step by step, and the rows that were there stay',
    run: async ({ database, uniqueName }) => {
      const name = tableName(uniqueName('grow'));
      const all = steps(name);
      await database.migrate(all.slice(0, 1));
      await insert(database, name, 1);
      await database.migrate(all.slice(0, 2));
      await insert(database, name, 2);
      await database.migrate(all);
      await database.migrate(all);
      await database.migrate(all, 'check');
      const rows = await database.query(`SELECT id, amount, currency, note FROM ${database.tables(name)} ORDER BY id`);
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [
          { id: 1, amount: 100, currency: 'EUR', note: null },
          { id: 2, amount: 200, currency: null, note: null },
        ],
      );
    },
  },
  {
    name: 'check names what is missing, and changes nothing',
    run: async ({ database, uniqueName }) => {
      const name = tableName(uniqueName('check'));
      const all = steps(name);
      await database.migrate(all.slice(0, 1));
      await rejectsWith(database.migrate(all, 'check'), 'FAILED_PRECONDITION', 'SCHEMA_OUT_OF_DATE');
      await assert.rejects(database.migrate(all, 'check'), new RegExp(`${name}_0002, ${name}_0003`));
      await assert.rejects(database.query(`SELECT currency FROM ${database.tables(name)}`));
    },
  },
  {
    name: 'a table or a column that was dropped behind its back is named at the next start, whatever that may do',
    run: async ({ database, uniqueName }) => {
      const [kept, gone] = [tableName(uniqueName('kept')), tableName(uniqueName('gone'))];
      const all = [...steps(kept), ...steps(gone)];
      await database.migrate(all);
      const drop = (sql: string): Promise<unknown> => database.transaction((tx) => tx.execute(sql));
      await drop(`ALTER TABLE ${database.tables(kept)} DROP COLUMN note`);
      await drop(`DROP TABLE ${database.tables(gone)}`);
      for (const mode of ['apply', 'check'] as const) {
        const lacking = [database.tables(gone), `${database.tables(kept)}.note`];
        const error = PaystreamError.from(await database.migrate(all, mode).catch((thrown: unknown) => thrown));
        assert.deepEqual(
          [error.code, error.reason, error.details['lacking']],
          ['FAILED_PRECONDITION', 'SCHEMA_INCOMPLETE', lacking.join(',')],
        );
        for (const part of ['note', database.tables(kept), database.tables(gone)]) assert.ok(error.message.includes(part), error.message);
      }
      // What is mended by hand is taken as it is, with more columns too.
      await drop(`ALTER TABLE ${database.tables(kept)} ADD COLUMN NOTE TEXT`);
      await drop(`CREATE TABLE ${database.tables(gone)} (id INTEGER, amount INTEGER, currency VARCHAR(3), note TEXT, more TEXT)`);
      await database.migrate(all, 'check');
    },
  },
  {
    name: 'an earlier release starts on a schema of which a later one has dropped something',
    run: async ({ database, uniqueName }) => {
      const name = tableName(uniqueName('ahead'));
      const drop = (tables: Database['tables']): readonly string[] => [`ALTER TABLE ${tables(name)} DROP COLUMN note`];
      const earlier = steps(name);
      await database.migrate([...earlier, { name: `${name}_0004_no_notes`, statements: { sqlite: drop, mysql: drop } }]);
      for (const mode of ['apply', 'check'] as const) await database.migrate(earlier, mode);
      await insert(database, name, 1);
    },
  },
  {
    name: 'packages migrate by themselves, in any order and at once',
    run: async ({ database, uniqueName }) => {
      const names = ['zebra', 'ant', 'mole'].map((prefix) => tableName(uniqueName(prefix)));
      await Promise.all(names.map((name) => database.migrate(steps(name))));
      for (const name of names) {
        await database.migrate(steps(name), 'check');
        await insert(database, name, 1);
      }
    },
  },
  {
    name: 'two instances that start at once apply each step once',
    needs: ['shared'],
    run: async (subject) => {
      const name = tableName(subject.uniqueName('race'));
      const both = [subject.database, secondOf(subject)];
      await Promise.all(both.map((database) => database.migrate(steps(name))));
      for (const [index, database] of both.entries()) await insert(database, name, index);
    },
  },
  {
    name: 'a step that fails says which one it is, and can be mended and repeated',
    run: async ({ database, uniqueName }) => {
      const name = tableName(uniqueName('broken'));
      const [first] = steps(name);
      assert.ok(first !== undefined);
      const second = (sql: string): Migration => ({ name: `${name}_0002`, statements: { sqlite: () => [sql], mysql: () => [sql] } });
      await rejectsWith(database.migrate([first, second('CREATE TABEL x')]), 'FAILED_PRECONDITION', 'MIGRATION_FAILED');
      await assert.rejects(database.migrate([first, second('CREATE TABEL x')]), new RegExp(`${name}_0002`));
      await database.migrate([first, second(`CREATE TABLE ${database.tables(`${name}_x`)} (id INTEGER NOT NULL PRIMARY KEY)`)]);
      await insert(database, name, 1);
    },
  },
  {
    name: 'two steps of one name are refused',
    run: async ({ database, uniqueName }) => {
      const [first] = steps(tableName(uniqueName('twice')));
      assert.ok(first !== undefined);
      await rejectsWith(database.migrate([first, first]), 'INVALID_ARGUMENT', 'DUPLICATE_MIGRATION');
    },
  },
  {
    name: 'a restart finds the schema as it was left',
    needs: ['restart'],
    run: async (subject) => {
      const name = tableName(subject.uniqueName('kept'));
      await subject.database.migrate(steps(name));
      await restart(subject);
      await subject.database.migrate(steps(name), 'check');
    },
  },
];
