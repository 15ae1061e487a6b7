import { createConnection } from 'mysql2/promise';
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    sqlServers: string;
  }
}

let made = 0;

async function run(url: string, statement: string): Promise<void> {
  const connection = await createConnection(url);
  await connection.query(statement);
  await connection.end();
}

/** Makes an empty database on the server that tests share. Call it in `beforeAll`: the first call of a run starts the server. Gives its URL. */
export async function emptyDatabase(): Promise<string> {
  const answer = await fetch(`${inject('sqlServers')}/default/start`);
  const { url } = (await answer.json()) as { readonly url: string };
  const name = `example_${process.pid}_${Date.now()}_${++made}`;
  await run(url, `CREATE DATABASE ${name}`);
  return new URL(`/${name}`, url).href;
}
