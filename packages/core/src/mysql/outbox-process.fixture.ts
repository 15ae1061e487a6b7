import type { Broker } from '../broker/port.ts';
import { createEmbeddedBroker } from '../embedded/broker/broker.ts';
import { outboxEvent } from '../outbox/event.ts';
import { createOutbox } from '../outbox/outbox.ts';
import { textTopic } from '../testing/database-subject.ts';
import { createMysqlDatabase } from './mysql-database.ts';

/** What a process hands over to be published: `key-number` each, in one call of the broker. */
export interface Published {
  readonly call: number;
  readonly texts: readonly string[];
}

/** In milliseconds. */
export const leaseMs = 1_000;
export const writers = 8;
/** Where committed texts stand. */
export const table = 'committed_texts';

/** A broker whose messages its parent stores, who outlives it. */
async function brokerOfParent(): Promise<Broker> {
  const calls = new Map<number, () => void>();
  let last = 0;
  process.on('message', (message) => {
    if (typeof message !== 'number') return;
    calls.get(message)?.();
    calls.delete(message);
  });
  const sendAll = (messages: readonly { readonly payload: Uint8Array }[]): Promise<void> =>
    new Promise((resolve) => {
      last += 1;
      calls.set(last, resolve);
      process.send?.({ call: last, texts: messages.map(({ payload }) => Buffer.from(payload).toString()) } satisfies Published);
    });
  const broker = await createEmbeddedBroker();
  return { ...broker, createProducer: async (options) => ({ ...(await broker.createProducer(options)), sendAll }) };
}

/** Commits texts of its own keys, `writers` at once, until it is told to stop; every seventh is rolled back. */
async function commitTexts(url: string, name: string): Promise<void> {
  const database = createMysqlDatabase({ url });
  const outbox = await createOutbox({ database, broker: await brokerOfParent(), leaseMs });
  const topic = textTopic('texts');
  let over = false;
  process.on('message', (message) => {
    over ||= message === 'stop';
  });
  const write = async (key: string): Promise<void> => {
    for (let n = 1; !over; n++) {
      const transaction = database.transaction(async (tx) => {
        await outbox.add(tx, [outboxEvent(topic, `${key}-${n}`)]);
        await tx.execute(`INSERT INTO ${table} (id) VALUES (?)`, [`${key}-${n}`]);
        if (n % 7 === 0) throw new Error('changed my mind');
      });
      await transaction.catch((error: unknown) => {
        if (n % 7 !== 0) throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(`${name}.${writer}`)));
  await outbox.close(20_000);
  await database.close();
  process.disconnect();
}

const [, , url, name] = process.argv;
if (process.send !== undefined && url !== undefined && name !== undefined) await commitTexts(url, name);
