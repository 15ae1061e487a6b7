import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PaystreamError } from '@paystream/core';
import { createSqliteDatabase } from '@paystream/core/embedded';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { migrateServices } from '../src/engine/schema.ts';
import { wholeStack } from '../src/service-names.ts';
import { startStack } from '../src/stack.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'paystream-schema-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function start(services: Parameters<typeof startStack>[1], migrations: string): ReturnType<typeof startStack> {
  const ports = { PAYSTREAM_GRPC_PORT: '0', PAYSTREAM_HTTP_PORT: '0', PAYSTREAM_LOG_LEVEL: 'silent' };
  return startStack(readConfig({ ...ports, PAYSTREAM_DATA_DIR: directory, PAYSTREAM_MIGRATIONS: migrations }), services);
}

async function refusal(services: Parameters<typeof startStack>[1]): Promise<PaystreamError> {
  const error = PaystreamError.from(await start(services, 'check').catch((thrown: unknown) => thrown));
  expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'SCHEMA_OUT_OF_DATE' });
  return error;
}

it('names all that the services of a process lack, once, and the setting that brings it', async () => {
  const { message, details } = await refusal(wholeStack);
  expect(message).toMatch(/exportMigrations.* these alone.*PAYSTREAM_MIGRATIONS=apply/);
  const missing = details['missing']?.split(',') ?? [];
  await (await start(wholeStack, 'apply')).stop();
  const stack = await start(wholeStack, 'check');
  const { database } = stack.engine;
  const applied = await database.query(`SELECT name FROM ${database.tables('migrations')} ORDER BY name`);
  expect(missing.toSorted()).toEqual(applied.map((row) => row['name']));
  await stack.stop();
});

it('asks of a service only for what is its own', async () => {
  const { details } = await refusal(['wallet']);
  expect(details['missing']).toMatch(/outbox.*wallet|outbox.*ledger/);
  expect(details['missing']).not.toMatch(/payment|notif|log|catalog/);
});

it.each(['apply', 'check'] as const)('names each table and each column that is not there any more (%s)', async (mode) => {
  const database = await createSqliteDatabase({ path: ':memory:' });
  await migrateServices(database, wholeStack, 'apply');
  const change = (sql: string): Promise<unknown> => database.transaction((tx) => tx.execute(sql));
  const lacking = async (): Promise<string | undefined> => {
    const error = PaystreamError.from(await migrateServices(database, wholeStack, mode).catch((thrown: unknown) => thrown));
    return error.reason === 'SCHEMA_INCOMPLETE' ? error.details['lacking'] : undefined;
  };
  const columns = await database.query<{ readonly table: string; readonly column: string }>(
    `SELECT m.name AS "table", c.name AS "column" FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c
     WHERE m.type = 'table' AND m.name NOT LIKE 'paystream_migrations%'`,
  );
  for (const { table, column } of columns) {
    await change(`ALTER TABLE ${table} RENAME COLUMN ${column} TO elsewhere`);
    expect(await lacking()).toBe(`${table}.${column}`);
    await change(`ALTER TABLE ${table} RENAME COLUMN elsewhere TO ${column}`);
  }
  const tables = new Set(columns.map(({ table }) => table));
  expect(tables.size).toBeGreaterThan(12);
  for (const table of tables) {
    await change(`ALTER TABLE ${table} RENAME TO elsewhere`);
    expect(await lacking()).toBe(table);
    await change(`ALTER TABLE elsewhere RENAME TO ${table}`);
  }
  await migrateServices(database, wholeStack, mode);
  await database.close();
});
