import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BoundCase, bindCases } from '../../testing/conformance.ts';
import { databaseCases } from '../../testing/database-cases.ts';
import type { DatabaseUnderTest } from '../../testing/database-subject.ts';
import { createVirtualClock, type VirtualClock } from '../../testing/virtual-clock.ts';
import { createEmbeddedBroker } from '../broker/broker.ts';
import { createSqliteDatabase, type SqliteDatabaseOptions } from './sqlite-database.ts';

interface Subject extends DatabaseUnderTest {
  end(): Promise<void>;
}

async function openSubject(clock: VirtualClock, options: SqliteDatabaseOptions, clean: () => void): Promise<Subject> {
  const open = () => createSqliteDatabase({ ...options, clock });
  let database = await open();
  const second = options.exclusive === false ? await open() : undefined;
  const broker = await createEmbeddedBroker({ clock });
  let names = 0;
  return {
    get database() {
      return database;
    },
    ...(second === undefined ? {} : { second }),
    broker,
    clock,
    uniqueName: (prefix) => `${prefix}-${++names}`,
    restart: async () => {
      await database.close();
      database = await open();
    },
    end: async () => {
      await broker.close();
      await database.close();
      await second?.close();
      clean();
    },
  };
}

async function openFile(clock: VirtualClock, options: Omit<SqliteDatabaseOptions, 'path'>): Promise<Subject> {
  const directory = mkdtempSync(join(tmpdir(), 'paystream-database-'));
  return openSubject(clock, { ...options, path: join(directory, 'database.db') }, () => rmSync(directory, { recursive: true }));
}

/** Time passes only while a case waits: no case takes longer than its work. */
function bindInVirtualTime(abilities: readonly string[], open: (clock: VirtualClock) => Promise<Subject>): readonly BoundCase[] {
  let clock = createVirtualClock();
  const bound = bindCases<Subject>(databaseCases, { abilities, open: () => open(clock), close: (subject) => subject.end() });
  for (const { name, skip, run } of bound) {
    it.skipIf(skip !== undefined)(name, async () => {
      clock = createVirtualClock({ quietTurns: 2 });
      let done = false;
      const running = run().finally(() => {
        done = true;
      });
      await Promise.all([running, clock.runUntil(() => done)]);
    });
  }
  return bound;
}

describe('the SQLite database in memory keeps what the port promises', () => {
  const bound = bindInVirtualTime([], (clock) => openSubject(clock, { path: ':memory:' }, () => undefined));

  it('skips nothing without saying what it lacks', () => {
    const reasons = new Set(bound.map((one) => one.skip).filter((skip) => skip !== undefined));
    expect([...reasons].sort()).toEqual(['needs concurrent', 'needs outage', 'needs restart', 'needs shared', 'needs shared, concurrent']);
  });
});

describe('the SQLite database in a file keeps what the port promises', () => {
  bindInVirtualTime(['restart'], (clock) => openFile(clock, {}));
});

describe('the SQLite database in a file that several instances share keeps what the port promises', () => {
  bindInVirtualTime(['restart', 'shared'], (clock) => openFile(clock, { exclusive: false }));
});

describe('the SQLite database without shared commits keeps what the port promises', () => {
  bindInVirtualTime(['restart'], (clock) => openFile(clock, { groupCommits: false }));
});
