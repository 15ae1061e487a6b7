import { createMysqlDatabase } from '@paystream/core/mysql';
import { fromPrisma } from '@paystream/core/prisma';
import { createInbox, createOutbox, outboxEvent } from '@paystream/core/sql';
import { PrismaMariaDb } from '@prisma/adapter-mariadb';
import { type SignUpOptions, type SignUpService, signUps } from '../sign-ups.ts';
import { PrismaClient } from './gen/client.ts';

/** Sign-ups by Prisma. It has connections of its own, by another driver; Paystream has others to the same database. */
export async function createSignUpService(options: SignUpOptions): Promise<SignUpService> {
  const { hostname, port, username, password, pathname } = new URL(options.url);
  const adapter = new PrismaMariaDb({
    host: hostname,
    port: Number(port || 3306),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: pathname.slice(1),
    connectionLimit: 5,
  });
  const prisma = new PrismaClient({ adapter });
  const database = createMysqlDatabase({ url: options.url, poolSize: 2 });
  const outbox = await createOutbox({ database, ...options });
  const inbox = await createInbox({ database });
  return {
    signUp: async (user, beforeCommit) => {
      const { committed } = await prisma.$transaction(async (tx) => {
        await tx.user.create({ data: user });
        const added = await outbox.add(fromPrisma(tx), [outboxEvent(signUps, user)]);
        beforeCommit?.();
        return added;
      });
      if (options.tell !== false) committed();
    },
    welcome: (eventId, user) =>
      prisma.$transaction(async (tx) => {
        if (!(await inbox.once(fromPrisma(tx), 'welcome-mail', eventId))) return false;
        await tx.mail.create({ data: { userId: user.userId } });
        return true;
      }),
    close: async () => {
      await outbox.close();
      await database.close();
      await prisma.$disconnect();
    },
  };
}
