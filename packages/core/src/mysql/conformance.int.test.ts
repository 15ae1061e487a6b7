import { createPool } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../clock/system-clock.ts';
import { createEmbeddedBroker } from '../embedded/broker/broker.ts';
import type { Database } from '../sql/port.ts';
import { bindCases } from '../testing/conformance.ts';
import { databaseCases } from '../testing/database-cases.ts';
import type { DatabaseUnderTest } from '../testing/database-subject.ts';
import { createMysqlDatabase } from './mysql-database.ts';
import { freshDatabase, type RealServer, realServer } from './test-support.ts';

interface Subject extends DatabaseUnderTest {
  end(): Promise<void>;
}

let real: RealServer;
let url: string;
let prefixes = 0;
let names = 0;
beforeAll(async () => {
  real = await realServer('mortal-conformance');
  url = await freshDatabase(real);
});

async function openSubject(make: (tablePrefix: string) => Database): Promise<Subject> {
  const prefix = `c${++prefixes}_`;
  let database = make(prefix);
  const second = make(prefix);
  const broker = await createEmbeddedBroker();
  return {
    get database() {
      return database;
    },
    second,
    broker,
    clock: systemClock,
    uniqueName: (name) => `${name}-${++names}`,
    restart: async () => {
      await database.close();
      database = make(prefix);
    },
    crash: async () => {
      await real.kill();
      return real.restart;
    },
    end: async () => {
      await broker.close();
      await database.close();
      await second.close();
    },
  };
}

describe('the database on a real server keeps what the port promises', () => {
  const bound = bindCases<Subject>(databaseCases, {
    abilities: ['shared', 'restart', 'concurrent', 'outage'],
    open: () => openSubject((tablePrefix) => createMysqlDatabase({ url, tablePrefix })),
    close: (subject) => subject.end(),
  });
  for (const { name, skip, run } of bound) it.skipIf(skip !== undefined)(name, run);
});

describe('the database on a pool of the caller’s, whatever its settings, keeps what the port promises', () => {
  let pool: ReturnType<typeof createPool>;
  beforeAll(() => {
    pool = createPool({
      uri: url,
      connectionLimit: 8,
      dateStrings: false,
      decimalNumbers: true,
      bigNumberStrings: true,
      supportBigNumbers: true,
      rowsAsArray: true,
      namedPlaceholders: true,
      timezone: '+05:30',
      typeCast: (field, next) => (field.type === 'LONGLONG' ? `a ${field.string()}` : next()),
    });
  });
  afterAll(() => pool.end());
  const bound = bindCases<Subject>(databaseCases, {
    abilities: ['shared', 'restart', 'concurrent'],
    open: () => openSubject((tablePrefix) => createMysqlDatabase({ pool, tablePrefix })),
    close: (subject) => subject.end(),
  });
  for (const { name, skip, run } of bound) it.skipIf(skip !== undefined)(name, run);

  it('skips nothing but the crash of its server', () => {
    expect(new Set(bound.map((one) => one.skip))).toEqual(new Set([undefined, 'needs outage']));
  });

  it('is open after all the databases on it were closed', async () => {
    const [rows] = await pool.query("SELECT 'open'");
    expect(rows).toEqual([['open']]);
  });
});
