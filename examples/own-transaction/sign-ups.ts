// What the four examples have in common: the event, the tables, and what each must be able to do.
import { type Broker, defineTopic, json, type Topic } from '@paystream/core';
import { createMysqlDatabase } from '@paystream/core/mysql';
import { z } from 'zod';

/** Somebody signed up. */
export interface SignUp {
  readonly userId: string;
  readonly email: string;
}

/** Told after the transaction that stored the user. */
export const signUps: Topic<SignUp> = defineTopic({
  name: 'sign-ups',
  codec: json(z.object({ userId: z.string(), email: z.email() })),
  key: (signUp) => signUp.userId,
});

/** What each example makes. */
export interface SignUpService {
  /** Stores a user and announces it, both or neither. `beforeCommit` may refuse. */
  signUp(user: SignUp, beforeCommit?: () => void): Promise<void>;
  /** The effect of an event: a row for a mail to send, once however often the event comes. Tells whether this time was the first. */
  welcome(eventId: string, user: SignUp): Promise<boolean>;
  close(): Promise<void>;
}

/** What each example needs. */
export interface SignUpOptions {
  /** `mysql://user:password@host:port/database` */
  readonly url: string;
  readonly broker: Broker;
  /** After how long another process publishes what this one left behind, in milliseconds. Default: that of the outbox. */
  readonly leaseMs?: number;
  /** False: the outbox is not told of commits, and finds them. Default: true. */
  readonly tell?: boolean;
}

/** The tables of this service, which it keeps in its own way. */
export async function createTables(url: string): Promise<void> {
  const database = createMysqlDatabase({ url });
  for (const table of [
    'users (user_id VARCHAR(64) PRIMARY KEY, email VARCHAR(255) NOT NULL)',
    'mails (id BIGINT AUTO_INCREMENT PRIMARY KEY, user_id VARCHAR(64) NOT NULL)',
  ]) {
    await database.transaction((tx) => tx.execute(`CREATE TABLE IF NOT EXISTS ${table}`));
  }
  await database.close();
}
