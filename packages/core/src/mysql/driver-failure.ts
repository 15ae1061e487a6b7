import { type Failure, saidByPool } from './mysql-meanings.ts';

/** As deep as wrappers go: Prisma puts three around an error of its driver. */
const maxDepth = 8;

/** Codes that the drivers of MySQL make up. */
const codeOfDriver = /^(?:ER|PROTOCOL|HANDSHAKE|AUTH_SWITCH)_/;

/** All that is looked at of an error and of what wraps it. */
interface Thrown extends Failure {
  readonly sqlMessage?: unknown;
  readonly cause?: unknown;
  /** Of Prisma. */
  readonly meta?: { readonly driverAdapterError?: unknown };
  /** Of Prisma's driver adapters: the number and the words of the server or the driver. */
  readonly originalCode?: unknown;
  readonly originalMessage?: unknown;
  readonly state?: unknown;
}

/** What Prisma says by itself, without its driver: it cannot connect, waits in vain for a connection, or for a lock. */
const ofPrisma: ReadonlyMap<unknown, Failure> = new Map<unknown, Failure>([
  ['P1001', { code: 'ECONNREFUSED' }],
  ['P1002', { code: 'ETIMEDOUT' }],
  ['P1008', { code: 'ETIMEDOUT' }],
  ['P1017', { code: 'ECONNRESET' }],
  ['P2024', { code: 'ETIMEDOUT' }],
  ['P2034', { errno: 1213 }],
]);

/** It calls all that goes wrong around a transaction P2028. */
function ofPrismaTransaction(message: string): Failure {
  // It had no connection in time; or the transaction had more to wait for than its time allows, as for a row that is locked.
  return message.includes('Unable to start a transaction') ? { code: 'ETIMEDOUT' } : { errno: 1205 };
}

/** Errors of the system have a code too, such as ECONNREFUSED; the drivers of MySQL leave a mark on theirs. */
function isOfDriver({ code, sqlState, sqlMessage, fatal, message }: Thrown): boolean {
  if (typeof sqlState === 'string' || typeof sqlMessage === 'string' || typeof fatal === 'boolean') return true;
  return codeOfDriver.test(String(code)) || saidByPool.test(String(message));
}

function failureIn(thrown: Thrown): Failure | undefined {
  const { message, originalCode } = thrown;
  if (typeof originalCode === 'string' && /^\d+$/.test(originalCode)) {
    return { errno: Number(originalCode), sqlState: thrown.state, message: thrown.originalMessage };
  }
  if (thrown.code === 'P2028') return { ...ofPrismaTransaction(String(message)), message };
  const known = ofPrisma.get(thrown.code);
  if (known !== undefined) return { ...known, message };
  return isOfDriver(thrown) ? thrown : undefined;
}

/** What the driver said behind an error of it, of Kysely, Drizzle or Prisma; `undefined` where no driver of MySQL is behind it. */
export function driverFailure(thrown: unknown): Failure | undefined {
  let at: unknown = thrown;
  let found: Failure | undefined;
  for (let depth = 0; depth < maxDepth && typeof at === 'object' && at !== null; depth++) {
    const one: Thrown = at;
    // What is innermost knows best.
    found = failureIn(one) ?? found;
    at = one.cause ?? one.meta?.driverAdapterError;
  }
  return found;
}
