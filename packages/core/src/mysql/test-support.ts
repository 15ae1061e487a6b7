import { createConnection } from 'mysql2/promise';
import { inject } from 'vitest';
import { systemClock } from '../clock/system-clock.ts';

declare module 'vitest' {
  interface ProvidedContext {
    sqlServers: string;
  }
}

/** A real server that the tests of a run share. */
export interface RealServer {
  readonly url: string;
  /** Paths of PEM files; of the variant `secure` only. */
  readonly certificates: { readonly ca: string; readonly clientCertificate: string; readonly clientKey: string } | undefined;
  /** Ends it at once. */
  kill(): Promise<void>;
  /** Ends it in good order if it runs, and starts it again on the same port and data. */
  restart(): Promise<void>;
  /** Stops its process from running, or lets it run on. */
  freeze(frozen: boolean): Promise<void>;
}

/**
 * A server. The first call of a run starts it, which takes some seconds: call it in `beforeAll`. Only a `mortal` one may be
 * ended; each file has one of its own.
 */
export async function realServer(variant: 'default' | 'gbk' | `mortal-${string}` | 'secure' = 'default'): Promise<RealServer> {
  const manager = inject('sqlServers');
  async function ask(action: string): Promise<unknown> {
    const answer = await fetch(`${manager}/${variant}/${action}`);
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }
  const server = (await ask('start')) as Pick<RealServer, 'url' | 'certificates'>;
  return {
    ...server,
    kill: async () => void (await ask('kill')),
    restart: async () => void (await ask('restart')),
    freeze: async (frozen) => void (await ask(frozen ? 'freeze' : 'thaw')),
  };
}

/** Runs statements by themselves, past what is tested. Gives the rows of the last. */
export async function runBare(url: string, ...statements: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const connection = await createConnection(url);
  try {
    let rows: unknown = [];
    for (const statement of statements) [rows] = await connection.query(statement);
    return rows as Record<string, unknown>[];
  } finally {
    await connection.end();
  }
}

const run = `${process.pid}_${systemClock.now().toString(36)}`;
let names = 0;

/** A name that no other test uses. */
function freshName(prefix: string): string {
  names += 1;
  return `${prefix}_${run}_${names}`;
}

/** An empty database on the server; gives its URL. */
export async function freshDatabase(server: RealServer): Promise<string> {
  const name = freshName('test');
  await runBare(server.url, `CREATE DATABASE ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return url.href;
}
