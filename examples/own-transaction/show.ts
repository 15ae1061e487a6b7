// Runs one of the examples: a user who is stored, one who is not, and what was announced of them.
import { createConsumer } from '@paystream/core';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import { mysqlErrorOf } from '@paystream/core/mysql';
import { createTables, type SignUpOptions, type SignUpService, signUps } from './sign-ups.ts';

/** Runs an example against the database that `PAYSTREAM_MYSQL_URL` names. */
export async function show(createService: (options: SignUpOptions) => Promise<SignUpService>): Promise<void> {
  const url = process.env['PAYSTREAM_MYSQL_URL'];
  if (url === undefined) {
    console.error('Set PAYSTREAM_MYSQL_URL; `npm run mysql -- start` starts a server and prints its URL.');
    process.exitCode = 1;
    return;
  }
  await createTables(url);
  const broker = await createEmbeddedBroker();
  const service = await createService({ url, broker });
  const welcomed = Promise.withResolvers<void>();
  const consumer = await createConsumer(broker, signUps, {
    subscription: 'welcome-mail',
    // The database may go away: that is no fault of a message.
    errorOf: mysqlErrorOf,
    handler: async (user, { delivery }) => {
      const first = await service.welcome(delivery.eventId, user);
      console.log(`welcome ${user.email}: ${first ? 'written' : 'was written before'}`);
      welcomed.resolve();
    },
  });
  const refused = service.signUp({ userId: 'u-refused', email: 'refused@example.org' }, () => {
    throw new Error('changed my mind');
  });
  await refused.catch((error: unknown) => console.log(`rolled back: ${error instanceof Error ? error.message : error}`));
  await service.signUp({ userId: `u-${process.pid}-${Date.now()}`, email: 'ada@example.org' });
  await welcomed.promise;
  await consumer.close();
  await service.close();
  await broker.close();
}
