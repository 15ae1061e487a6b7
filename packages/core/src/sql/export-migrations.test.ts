import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSqliteDatabase } from '../embedded/database/sqlite-database.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { inboxMigrations } from '../inbox/migrations.ts';
import { outboxMigrations } from '../outbox/migrations.ts';
import { timerMigrations } from '../timers/migrations.ts';
import { exportMigrations } from './export-migrations.ts';
import type { Migration } from './port.ts';

const all = [...outboxMigrations, ...inboxMigrations, ...timerMigrations];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'paystream-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function runByHand(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

describe('exported migrations', () => {
  it('make the schema that a service without the right to change it accepts', async () => {
    const path = join(folder, 'exported.db');
    runByHand(path, exportMigrations(all, { dialect: 'sqlite', tablePrefix: 'shop_' }));
    const database = await createSqliteDatabase({ path, tablePrefix: 'shop_' });
    await database.migrate(all, 'check');
    const later: Migration = { name: 'later_0001', statements: { sqlite: (tables) => [`CREATE TABLE ${tables('later')} (id INTEGER)`] } };
    await expect(database.migrate([...all, later], 'check')).rejects.toMatchObject({
      reason: 'SCHEMA_OUT_OF_DATE',
      details: { missing: 'later_0001' },
    });
    await database.migrate([...all, later]);
    await database.migrate([...all, later], 'check');
    await database.close();
  });

  it('change nothing when they are run a second time', () => {
    const path = join(folder, 'twice.db');
    const sql = exportMigrations(all, { dialect: 'sqlite' });
    runByHand(path, sql);
    expect(() => runByHand(path, sql)).toThrow('UNIQUE');
  });

  it('bring a schema of an older release up to date when only those are exported that the error names', async () => {
    const path = join(folder, 'older.db');
    const later: Migration = { name: 'later_0001', statements: { sqlite: (tables) => [`CREATE TABLE ${tables('later')} (id INTEGER)`] } };
    const now = [...all, later];
    runByHand(path, exportMigrations(all, { dialect: 'sqlite' }));
    const database = await createSqliteDatabase({ path });
    const error = PaystreamError.from(await database.migrate(now, 'check').catch((thrown: unknown) => thrown));
    await database.close();
    expect(error.message).toMatch(/exportMigrations.* these alone/);
    const missing = new Set(error.details['missing']?.split(','));
    expect(() => runByHand(path, exportMigrations(now, { dialect: 'sqlite' }))).toThrow('UNIQUE');
    runByHand(
      path,
      exportMigrations(
        now.filter(({ name }) => missing.has(name)),
        { dialect: 'sqlite' },
      ),
    );
    const upgraded = await createSqliteDatabase({ path });
    await upgraded.migrate(now, 'check');
    await upgraded.close();
  });

  it('are refused for a database that a migration has no statements for', () => {
    expect(() => exportMigrations([{ name: 'x_0001', statements: {} }], { dialect: 'sqlite' })).toThrow(
      'x_0001 has no statements for sqlite',
    );
    expect(() => exportMigrations(all, { dialect: 'sqlite', tablePrefix: 'a-b' })).toThrow('tablePrefix');
  });
});
