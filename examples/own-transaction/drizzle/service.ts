import { fromDrizzle } from '@paystream/core/drizzle';
import { createMysqlDatabase } from '@paystream/core/mysql';
import { createInbox, createOutbox, outboxEvent } from '@paystream/core/sql';
import { bigint, mysqlTable, varchar } from 'drizzle-orm/mysql-core';
import { drizzle } from 'drizzle-orm/mysql2';
import { createPool } from 'mysql2/promise';
import { type SignUpOptions, type SignUpService, signUps } from '../sign-ups.ts';

const users = mysqlTable('users', {
  userId: varchar('user_id', { length: 64 }).primaryKey(),
  email: varchar({ length: 255 }).notNull(),
});
const mails = mysqlTable('mails', {
  id: bigint({ mode: 'number' }).autoincrement().primaryKey(),
  userId: varchar('user_id', { length: 64 }).notNull(),
});

/** Sign-ups by Drizzle. Paystream works on the same pool, and leaves it open. */
export async function createSignUpService(options: SignUpOptions): Promise<SignUpService> {
  const pool = createPool(options.url);
  const db = drizzle({ client: pool });
  const database = createMysqlDatabase({ pool });
  const outbox = await createOutbox({ database, ...options });
  const inbox = await createInbox({ database });
  return {
    signUp: async (user, beforeCommit) => {
      const { committed } = await db.transaction(async (tx) => {
        await tx.insert(users).values(user);
        const added = await outbox.add(fromDrizzle(tx), [outboxEvent(signUps, user)]);
        beforeCommit?.();
        return added;
      });
      if (options.tell !== false) committed();
    },
    welcome: (eventId, user) =>
      db.transaction(async (tx) => {
        if (!(await inbox.once(fromDrizzle(tx), 'welcome-mail', eventId))) return false;
        await tx.insert(mails).values({ userId: user.userId });
        return true;
      }),
    close: async () => {
      await outbox.close();
      await database.close();
      await pool.end();
    },
  };
}
