import { z } from 'zod';
import type { Broker, BrokerProducer, IncomingMessage } from '../broker/port.ts';
import type { Database, SqlTransaction } from '../sql/port.ts';
import type { TestWorld } from '../testing/test-world.ts';
import { json } from '../topic/json-codec.ts';
import { defineTopic, type Topic } from '../topic/topic.ts';
import { outboxEvent } from './event.ts';
import { createOutbox, type OutboxOptions } from './outbox.ts';
import type { OutboxEvent } from './port.ts';

/** What the tests of the outbox publish. */
export interface Step {
  readonly key: string;
  readonly n: number;
}

const codec = json(z.object({ key: z.string(), n: z.number() }));

export const steps: Topic<Step> = defineTopic({ name: 'steps', codec, key: (step) => step.key });
export const others: Topic<Step> = defineTopic({ name: 'others', codec, key: (step) => step.key });

export type TestOutbox = Awaited<ReturnType<typeof createOutbox>>;

/** An outbox in a world. */
export function outboxIn(world: TestWorld, options: Partial<OutboxOptions> = {}): Promise<TestOutbox> {
  const { database, broker, clock, random, telemetry } = world;
  return createOutbox({ database, broker, clock, random, telemetry, ...options });
}

/** `a1 a2 b1` as events. */
export function events(text: string, topic: Topic<Step> = steps): readonly OutboxEvent[] {
  return text.split(' ').map((word) => outboxEvent(topic, { key: word.slice(0, 1), n: Number(word.slice(1)) }));
}

/** Commits events, all in one transaction. */
export async function commit(database: Database, outbox: TestOutbox, text: string): Promise<void> {
  await database.transaction((tx) => outbox.add(tx, events(text)));
}

/** The same transaction as one of somebody else's, of whose end the library is not told. */
export function foreign(tx: SqlTransaction): SqlTransaction {
  return { execute: (sql, parameters) => tx.execute(sql, parameters) };
}

/** All that a topic has got so far, as `a1`. */
export async function contents(broker: Broker, topic = 'steps'): Promise<readonly string[]> {
  const found = await broker.subscribe({ topic, subscription: 'contents', type: 'exclusive', initialPosition: 'earliest' });
  await found.seek('earliest');
  const messages: IncomingMessage[] = [];
  for (let left = await found.backlog(); left > messages.length; ) messages.push(...(await found.receive(1_000)));
  await found.close();
  return messages.map((message) => {
    const step = JSON.parse(Buffer.from(message.payload).toString()) as Step;
    return `${step.key}${step.n}`;
  });
}

/** How many rows the outbox has in its table. */
export async function rowCount(database: Database): Promise<number> {
  const [row] = await database.query<{ readonly n: number }>(`SELECT count(*) AS n FROM ${database.tables('outbox')}`);
  return row?.n ?? 0;
}

/** The same broker, whose producers are changed. */
export function withProducer(broker: Broker, change: (producer: BrokerProducer) => BrokerProducer): Broker {
  return { ...broker, createProducer: async (options) => change(await broker.createProducer(options)) };
}
