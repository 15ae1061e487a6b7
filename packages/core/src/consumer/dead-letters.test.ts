import { expect, it } from 'vitest';
import { deadLetterSubscription } from '../broker/dead-letters.ts';
import type { Broker } from '../broker/port.ts';
import { createEmbeddedBroker } from '../embedded/broker/broker.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createProducer } from '../producer/producer.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createConsumer } from './consumer.ts';
import { createMessageStream } from './stream.ts';
import { steps } from './test-support.ts';

/** How many messages wait for a subscription that somebody made before. */
async function kept(broker: Broker, topic: string, subscription: string): Promise<number> {
  const found = await broker.subscribe({ topic, subscription, type: 'shared', initialPosition: 'latest' });
  const count = await found.backlog();
  await found.close();
  return count;
}

it('what is given up is kept for a subscription of its topic until somebody has read it, though nobody had subscribed', async () => {
  const clock = createVirtualClock();
  // As a broker does that throws away what no subscription asks for.
  await using broker = await createEmbeddedBroker({ clock, retention: { unconsumed: { maxAgeMs: 1_000 } } });
  const handler = async (): Promise<void> => {
    throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
  };
  const consumer = await createConsumer(broker, steps, { subscription: 'one', clock, handler });
  const named = await createConsumer(broker, steps, { subscription: 'two', clock, handler, deadLetterSubscription: 'morgue' });
  const stream = await createMessageStream(broker, steps, { subscription: 'three', clock });
  const producer = await createProducer(broker, steps, { clock });
  await producer.send({ key: 'a', n: 1 });
  const raw = await broker.createProducer({ topic: 'steps' });
  await raw.send({ payload: Uint8Array.of(1) });
  const nobodys = await broker.createProducer({ topic: 'nobodys' });
  await nobodys.send({ payload: Uint8Array.of(1) });
  await clock.settle();
  await Promise.all([consumer.close(), named.close(), stream.close()]);
  await clock.advance({ hours: 48 });
  // Wakes the housekeeping.
  await nobodys.send({ payload: Uint8Array.of(2) });
  await clock.advance({ hours: 1 });
  const reader = await broker.createReader({ topic: 'nobodys', start: 'earliest' });
  expect((await reader.receive(10)).map(({ payload }) => [...payload])).toEqual([[2]]);
  expect(await kept(broker, 'steps-one-dlq', deadLetterSubscription)).toBe(2);
  expect(await kept(broker, 'steps-two-dlq', 'morgue')).toBe(2);
  expect(await kept(broker, 'steps-three-dlq', deadLetterSubscription)).toBe(1);
});
