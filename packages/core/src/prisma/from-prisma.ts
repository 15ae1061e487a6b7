import { foreignTransaction, isRead } from '../sql/foreign-transaction.ts';
import type { SqlTransaction } from '../sql/port.ts';

/** What is needed of Prisma's `TransactionClient`: what `$transaction` calls your function with. A client itself does not fit. */
export interface PrismaTransaction {
  /** Runs a statement that returns no rows. */
  $executeRawUnsafe(query: string, ...values: unknown[]): PromiseLike<number>;
  /** Runs a statement that returns rows. */
  $queryRawUnsafe(query: string, ...values: unknown[]): PromiseLike<unknown>;
  /** What a client has, and a transaction has not. */
  readonly $connect?: never;
}

/**
 * An interactive transaction of Prisma's on MySQL or MariaDB, for outbox and inbox to join. Errors pass through as Prisma gives
 * them.
 *
 * @example
 * const { committed } = await prisma.$transaction(async (tx) => {
 *   await tx.user.create({ data: user });
 *   return outbox.add(fromPrisma(tx), [outboxEvent(signups, user)]);
 * });
 * committed();
 */
export function fromPrisma(tx: PrismaTransaction): SqlTransaction {
  return foreignTransaction('Prisma', async (sql, parameters) =>
    isRead(sql)
      ? { rows: (await tx.$queryRawUnsafe(sql, ...parameters)) as readonly unknown[] }
      : { affected: await tx.$executeRawUnsafe(sql, ...parameters) },
  );
}
