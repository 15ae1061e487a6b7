import { createMysqlDatabase } from '@paystream/core/mysql';
import { fromMysql2 } from '@paystream/core/mysql2';
import { createInbox, createOutbox, outboxEvent } from '@paystream/core/sql';
import { createPool, type PoolConnection } from 'mysql2/promise';
import { type SignUpOptions, type SignUpService, signUps } from '../sign-ups.ts';

/** Sign-ups by mysql2 alone. Paystream works on the same pool, and leaves it open. */
export async function createSignUpService(options: SignUpOptions): Promise<SignUpService> {
  const pool = createPool(options.url);
  const database = createMysqlDatabase({ pool });
  const outbox = await createOutbox({ database, ...options });
  const inbox = await createInbox({ database });

  const inTransaction = async <T>(work: (connection: PoolConnection) => Promise<T>): Promise<T> => {
    const connection = await pool.getConnection();
    try {
      await connection.beginTransaction();
      const result = await work(connection);
      await connection.commit();
      return result;
    } catch (error) {
      await connection.rollback();
      throw error;
    } finally {
      connection.release();
    }
  };

  return {
    signUp: async (user, beforeCommit) => {
      const { committed } = await inTransaction(async (connection) => {
        await connection.execute('INSERT INTO users (user_id, email) VALUES (?, ?)', [user.userId, user.email]);
        const added = await outbox.add(fromMysql2(connection), [outboxEvent(signUps, user)]);
        beforeCommit?.();
        return added;
      });
      if (options.tell !== false) committed();
    },
    welcome: (eventId, user) =>
      inTransaction(async (connection) => {
        if (!(await inbox.once(fromMysql2(connection), 'welcome-mail', eventId))) return false;
        await connection.execute('INSERT INTO mails (user_id) VALUES (?)', [user.userId]);
        return true;
      }),
    close: async () => {
      await outbox.close();
      await database.close();
      await pool.end();
    },
  };
}
