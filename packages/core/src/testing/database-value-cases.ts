import assert from 'node:assert/strict';
import { jsonList } from '../sql/json-list.ts';
import type { SqlValue } from '../sql/port.ts';
import { rejectsWith } from './broker-subject.ts';
import { type DatabaseCase, numberOf, type Thing, things } from './database-subject.ts';

const integers: readonly (number | bigint)[] = [
  0,
  -1,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  2n ** 53n,
  2n ** 53n + 1n,
  -(2n ** 53n) - 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];

const texts = ['', ' ', 'é', 'Zürich', '日本語', '👩‍👩‍👧‍👦', "'; DROP TABLE things; --", '\\', '"', '%_', 'a\nb\tc', 'x'.repeat(20_000)];

/** Values go in and come out as they are; fragments of the dialect do what they say. */
export const valueCases: readonly DatabaseCase[] = [
  {
    name: 'integers of 64 bits are exact: numbers where they are safe, bigints beyond',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      for (const value of integers) {
        const id = uniqueName('integer');
        await database.transaction((tx) => tx.execute(sql.insert, [id, value, null, null]));
        assert.equal(await numberOf(database, id), value);
        const inside = await database.transaction((tx) => tx.execute<Thing>(sql.find, [id]));
        assert.equal(inside.rows[0]?.number, value);
      }
    },
  },
  {
    name: 'sums beyond 2^53 lose no unit, whether a number or a bigint is added',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('sum');
      await database.transaction(async (tx) => {
        await tx.execute(sql.insert, [id, 9_007_199_254_740_993n, null, null]);
        await tx.execute(sql.add, [1, id]);
        await tx.execute(sql.add, [3n, id]);
      });
      assert.equal(await numberOf(database, id), 9_007_199_254_740_997n);
    },
  },
  {
    name: 'a statement with too few parameters, or too many, is refused and changes nothing',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('count');
      for (const wrong of [[id], [id, 1, null], [id, 1, null, null, null]]) {
        const refused = database.transaction((tx) => tx.execute(sql.insert, wrong));
        await rejectsWith(refused, 'INVALID_ARGUMENT', 'INVALID_PARAMETER');
        const first = [uniqueName('count'), 1, null, null];
        const many = database.transaction((tx) => tx.executeMany(sql.insert, [first, wrong]));
        await rejectsWith(many, 'INVALID_ARGUMENT', 'INVALID_PARAMETER');
        assert.equal(await numberOf(database, String(first[0])), undefined);
      }
      assert.equal(await numberOf(database, id), undefined);
      await rejectsWith(database.query(sql.find, []), 'INVALID_ARGUMENT', 'INVALID_PARAMETER');
    },
  },
  {
    name: 'a bigint that is safe comes back as a number',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('narrow');
      await database.transaction((tx) => tx.execute(sql.insert, [id, 42n, null, null]));
      assert.equal(await numberOf(database, id), 42);
    },
  },
  {
    name: 'texts come back as they were, whatever they hold',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      for (const words of texts) {
        const id = uniqueName('words');
        await database.transaction((tx) => tx.execute(sql.insert, [id, null, words, null]));
        const [row] = await database.query<Thing>(sql.find, [id]);
        assert.equal(row?.words, words);
      }
    },
  },
  {
    name: 'a text with half of a surrogate pair is found again under that, also by a list',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = `${uniqueName('half')}\ud83d`;
      await database.transaction((tx) => tx.execute(sql.insert, [id, 7, id, null]));
      const [row] = await database.query<Thing>(sql.find, [id]);
      assert.equal(row?.words, id.toWellFormed());
      const table = database.tables('conformance_things');
      const inList = `SELECT number FROM ${table} WHERE id IN ${database.dialect.inJson}`;
      assert.deepEqual(
        (await database.query<Thing>(inList, [jsonList([id, 'none'])])).map(({ number }) => number),
        [7],
      );
    },
  },
  {
    name: 'bytes come back as a Uint8Array with every byte',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      for (const size of [0, 1, 256, 100_000]) {
        const bytes = Uint8Array.from({ length: size }, (_, index) => index % 256);
        const id = uniqueName('bytes');
        await database.transaction((tx) => tx.execute(sql.insert, [id, null, null, bytes]));
        const [row] = await database.query<Thing>(sql.find, [id]);
        assert.ok(row?.bytes instanceof Uint8Array);
        assert.deepEqual(new Uint8Array(row.bytes), bytes);
      }
    },
  },
  {
    name: 'null is null, and undefined is refused',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('null');
      await database.transaction((tx) => tx.execute(sql.insert, [id, null, null, null]));
      const [row] = await database.query<Thing>(sql.find, [id]);
      assert.deepEqual({ ...row }, { id, number: null, words: null, bytes: null });
      const wrong = [uniqueName('undefined'), undefined, null, null] as unknown as SqlValue[];
      await rejectsWith(
        database.transaction((tx) => tx.execute(sql.insert, wrong)),
        'INVALID_ARGUMENT',
      );
    },
  },
  {
    name: 'executeMany says for each list of parameters how many rows it changed',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('many');
      const rows = [0, 1, 2].map((index) => [`${name}-${index}`, index, null, null]);
      const result = await database.transaction(async (tx) => ({
        inserted: (await tx.executeMany(sql.insert, rows)).affected,
        again: (await tx.executeMany(sql.insertOrIgnore, [...rows.slice(1), [`${name}-3`, 3, null, null]])).affected,
        removed: (await tx.executeMany(sql.remove, [[`${name}-1`], [`${name}-none`], [`${name}-3`]])).affected,
        none: (await tx.executeMany(sql.remove, [])).affected,
      }));
      assert.deepEqual(result, { inserted: [1, 1, 1], again: [0, 0, 1], removed: [1, 0, 1], none: [] });
      assert.equal(await numberOf(database, `${name}-2`), 2);
    },
  },
  {
    name: 'executeMany changes rows by their keys: each to its own values, whatever they hold',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('change');
      const values: readonly (readonly [SqlValue, SqlValue, Uint8Array | null])[] = [
        [null, null, null],
        ...integers.map((number) => [number, null, null] as const),
        ...texts.map((words) => [7, words, Buffer.from(words)] as const),
        ...[16_384, 65_536, 100_000].map((length) => [length, 'ż'.repeat(length), Buffer.alloc(length, 'bytes')] as const),
        ...Array.from({ length: 600 }, (_, index) => [index, `${index}`, null] as const),
      ];
      const [ids, before] = [values.map((_, index) => `${name}-${index}`), 1_000];
      await database.transaction((tx) =>
        tx.executeMany(
          sql.insert,
          ids.map((id) => [id, before, 'before', new Uint8Array([1])]),
        ),
      );
      const changes = values.map((value, index) => [...value, ids[index] as string, before]);
      const { affected } = await database.transaction((tx) => tx.executeMany(sql.change, changes));
      assert.deepEqual(new Set(affected), new Set([1]));
      assert.equal(affected.length, values.length);
      for (const [index, [number, words, bytes]] of values.slice(0, 50).entries()) {
        const [row] = await database.query<Thing>(sql.find, [ids[index] as string]);
        assert.deepEqual([row?.number, row?.words], [number, words]);
        assert.deepEqual(row?.bytes === null ? null : Buffer.from(row?.bytes as Uint8Array), bytes === null ? null : Buffer.from(bytes));
      }
      assert.equal(await numberOf(database, ids.at(-1) as string), 599);
    },
  },
  {
    name: 'executeMany changes rows by their keys to more than a server takes in one statement',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('change-much');
      const ids = Array.from({ length: 120 }, (_, index) => `${name}-${index}`);
      const stored = ids.slice(1);
      await database.transaction((tx) =>
        tx.executeMany(
          sql.insert,
          stored.map((id) => [id, 1, null, null]),
        ),
      );
      const change = async (from: number, bytesOf: (index: number) => Uint8Array): Promise<void> => {
        const changes = ids.map((id, index) => [from + 1, null, bytesOf(index), id, from]);
        const { affected } = await database.transaction((tx) => tx.executeMany(sql.change, changes));
        assert.deepEqual(affected, [0, ...stored.map(() => 1)]);
        const [last] = await database.query<Thing>(sql.find, [stored.at(-1) as string]);
        assert.ok(Buffer.from(last?.bytes as Uint8Array).equals(bytesOf(ids.length - 1)));
      };
      const same = Buffer.alloc(300_000, 'same');
      await change(1, () => same);
      await change(2, (index) => Buffer.alloc(300_000, index));
    },
  },
  {
    name: 'executeMany says which rows it changed by their keys, and leaves the others',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('change-some');
      // Keys are told apart by case and by blanks.
      const ids = ['a', 'A', 'a ', 'á', 'b', 'c'].map((end) => `${name}-${end}`);
      await database.transaction((tx) =>
        tx.executeMany(
          sql.insert,
          ids.map((id, index) => [id, index, null, null]),
        ),
      );
      const [, upper, , accented, b, c] = ids as [string, string, string, string, string, string];
      const change = (id: string, from: number, to: number): SqlValue[] => [to, 'changed', null, id, from];
      const result = await database.transaction(async (tx) => ({
        none: (await tx.executeMany(sql.change, [change(b, 9, 40), change(`${name}-none`, 1, 41)])).affected,
        // The third finds what the first has made of its row.
        some: (await tx.executeMany(sql.change, [change(upper, 1, 10), change(b, 9, 40), change(upper, 1, 11), change(accented, 3, 30)]))
          .affected,
        again: (await tx.executeMany(sql.change, [change(upper, 10, 12), change(c, 5, 50)])).affected,
        same: (await tx.executeMany(sql.change, [change(upper, 12, 12), change(c, 50, 50)])).affected,
      }));
      assert.deepEqual(result, { none: [0, 0], some: [1, 0, 0, 1], again: [1, 1], same: [1, 1] });
      const found = await Promise.all(ids.map((id) => numberOf(database, id)));
      assert.deepEqual(found, [0, 12, 2, 30, 4, 50]);
    },
  },
  {
    name: 'executeMany says which rows it changed by their keys where it makes all of them the same',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('change-alike');
      const ids = ['a', 'A', 'a ', 'b', 'c'].map((end) => `${name}-${end}`);
      await database.transaction((tx) =>
        tx.executeMany(
          sql.insert,
          ids.map((id) => [id, 1, 'before', null]),
        ),
      );
      const [lower, upper, , b, c] = ids as [string, string, string, string, string];
      const change = (id: string): SqlValue[] => [2, 'changed', null, id, 1];
      const result = await database.transaction(async (tx) => ({
        all: (await tx.executeMany(sql.change, [change(upper), change(b)])).affected,
        some: (await tx.executeMany(sql.change, [change(lower), change(`${name}-none`), change(lower), change(b)])).affected,
        none: (await tx.executeMany(sql.change, [change(lower), change(b)])).affected,
        twice: (await tx.executeMany(sql.change, [change(c), change(c)])).affected,
      }));
      assert.deepEqual(result, { all: [1, 1], some: [1, 0, 0, 0], none: [0, 0], twice: [1, 0] });
      const found = await Promise.all(ids.map((id) => numberOf(database, id)));
      assert.deepEqual(found, [2, 2, 1, 2, 2]);
    },
  },
  {
    name: 'executeMany that meets a taken key rejects, and its transaction leaves nothing',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('many-unique');
      const row = (index: number): SqlValue[] => [`${name}-${index}`, index, null, null];
      const failing = database.transaction((tx) => tx.executeMany(sql.insert, [row(1), row(2), row(1), row(3)]));
      await rejectsWith(failing, 'ALREADY_EXISTS', 'UNIQUE_VIOLATION');
      for (const index of [1, 2, 3]) assert.equal(await numberOf(database, `${name}-${index}`), undefined);
    },
  },
  {
    name: 'insertOrIgnore leaves the row that is there as it is',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('ignore');
      const affected = await database.transaction(async (tx) => [
        (await tx.execute(sql.insertOrIgnore, [id, 1, 'first', null])).affected,
        (await tx.execute(sql.insertOrIgnore, [id, 2, 'second', null])).affected,
      ]);
      assert.deepEqual(affected, [1, 0]);
      assert.equal(await numberOf(database, id), 1);
    },
  },
  {
    name: 'upsert inserts, or runs its assignments on the row that is there',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('upsert');
      await database.transaction((tx) =>
        tx.executeMany(sql.upsert, [
          [id, 5, 'first', null],
          [id, 7, 'second', null],
        ]),
      );
      const [row] = await database.query<Thing>(sql.find, [id]);
      assert.deepEqual([row?.number, row?.words], [12, 'second']);
    },
  },
  {
    name: 'IN over one parameter finds strings, however many and whatever they hold',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('in');
      const ids = [...texts.slice(0, -1), ...Array.from({ length: 1_000 }, (_, index) => `n${index}`)].map((words) => `${name}-${words}`);
      await database.transaction((tx) =>
        tx.executeMany(
          sql.insert,
          ids.map((id, index) => [id, index, null, null]),
        ),
      );
      const rows = await database.query<{ id: string; number: number }>(sql.findMany, [jsonList([...ids, `${name}-unknown`])]);
      assert.deepEqual(new Set(rows.map((row) => row.id)), new Set(ids));
      assert.deepEqual(await database.query(sql.findMany, [jsonList([])]), []);
    },
  },
  {
    name: 'the clock of the database is the one that its statements see',
    run: async ({ database }) => {
      const before = await database.now();
      const [row] = await database.query<{ readonly now: number }>(`SELECT ${database.dialect.nowMs} AS now`);
      const after = await database.now();
      assert.ok(row !== undefined && row.now >= before - 1 && row.now <= after + 1, `${before} ${row?.now} ${after}`);
    },
  },
];
