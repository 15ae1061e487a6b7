import { fromKysely } from '@paystream/core/kysely';
import { createMysqlDatabase } from '@paystream/core/mysql';
import { createInbox, createOutbox, outboxEvent } from '@paystream/core/sql';
import { type Generated, Kysely, MysqlDialect } from 'kysely';
import { createPool } from 'mysql2';
import { type SignUpOptions, type SignUpService, signUps } from '../sign-ups.ts';

interface Tables {
  readonly users: { readonly user_id: string; readonly email: string };
  readonly mails: { readonly id: Generated<number>; readonly user_id: string };
}

/** Sign-ups by Kysely. Paystream works on the same pool, and leaves it open. */
export async function createSignUpService(options: SignUpOptions): Promise<SignUpService> {
  const pool = createPool(options.url);
  const db = new Kysely<Tables>({ dialect: new MysqlDialect({ pool }) });
  const database = createMysqlDatabase({ pool });
  const outbox = await createOutbox({ database, ...options });
  const inbox = await createInbox({ database });
  return {
    signUp: async (user, beforeCommit) => {
      const { committed } = await db.transaction().execute(async (trx) => {
        await trx.insertInto('users').values({ user_id: user.userId, email: user.email }).execute();
        const added = await outbox.add(fromKysely(trx), [outboxEvent(signUps, user)]);
        beforeCommit?.();
        return added;
      });
      if (options.tell !== false) committed();
    },
    welcome: (eventId, user) =>
      db.transaction().execute(async (trx) => {
        if (!(await inbox.once(fromKysely(trx), 'welcome-mail', eventId))) return false;
        await trx.insertInto('mails').values({ user_id: user.userId }).execute();
        return true;
      }),
    close: async () => {
      await outbox.close();
      await database.close();
      await db.destroy(); // ends the pool
    },
  };
}
