import { stat } from 'node:fs';
import { systemClock } from '@paystream/core';
import { createMysqlDatabase } from '@paystream/core/mysql';
import type { Database } from '@paystream/core/sql';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    mariadbServers: string;
  }
}

/** A MariaDB that the tests of a run share. */
export interface RealServer {
  readonly url: string;
  /** Ends it at once; of `mortal` only. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  restart(): Promise<void>;
}

/** The server of that name; `undefined` outside the project `mariadb`. */
export async function mariadb(name: 'default' | 'mortal' = 'default'): Promise<RealServer | undefined> {
  const manager = inject('mariadbServers') as string | undefined;
  if (manager === undefined) return undefined;
  const ask = async (action: string): Promise<unknown> => {
    const answer = await fetch(`${manager}/${name}/${action}`);
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  };
  const { url } = (await ask('start')) as { readonly url: string };
  return { url, kill: async () => void (await ask('kill')), restart: async () => void (await ask('restart')) };
}

let prefixes = 0;

/** A prefix of tables that no other test has. */
export function freshPrefix(): string {
  prefixes += 1;
  return `t${process.pid}_${systemClock.now().toString(36)}_${prefixes}_`;
}

/**
 * Keeps virtual time from passing while a statement is under way: what waits at a socket does not count as work by itself,
 * what reads the disk does.
 */
function holdingTime(database: Database): Database {
  let underWay = 0;
  const turn = (): void => {
    if (underWay > 0) stat('.', turn);
  };
  const held = async <T>(work: Promise<T>): Promise<T> => {
    underWay += 1;
    if (underWay === 1) turn();
    try {
      return await work;
    } finally {
      underWay -= 1;
    }
  };
  return {
    ...database,
    transaction: (work) => held(database.transaction(work)),
    query: <R>(...given: Parameters<Database['query']>) => held(database.query<R>(...given)),
    now: () => held(database.now()),
    migrate: (migrations, mode) => held(database.migrate(migrations, mode)),
    ping: () => held(database.ping()),
    close: () => held(database.close()),
  };
}

/** A world in virtual time: all in memory, but in the project `mariadb` its database is an empty one on MariaDB. */
export async function createWorld(seed = 1): Promise<TestWorld> {
  const world = await createTestWorld({ seed });
  const url = (await mariadb())?.url;
  if (url === undefined) return world;
  const database = holdingTime(createMysqlDatabase({ url, tablePrefix: freshPrefix(), poolSize: 5 }));
  return {
    ...world,
    database,
    [Symbol.asyncDispose]: async () => {
      await database.close();
      await world[Symbol.asyncDispose]();
    },
  };
}
