import { expect, it } from 'vitest';
import { BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { MessageId } from '../message/message-id.ts';
import { fakeTopic } from './fake-topic.ts';

const unanswered: ReadonlySet<Type> = new Set([Type.SEEK, Type.CONSUMER_STATS, Type.GET_LAST_MESSAGE_ID, Type.UNSUBSCRIBE]);
const over = { status: 'rejected', reason: { code: 'ALREADY_CLOSED' } };

it('leaves nobody waiting: whatever the broker has not answered ends when the consumer is closed', async () => {
  await using topic = await fakeTopic(({ type }) => unanswered.has(type));
  const consumer = await topic.subscribe();
  const waiting = [
    consumer.receive(),
    consumer.receiveBatch({ timeoutMs: Number.POSITIVE_INFINITY }),
    consumer.backlog(),
    consumer.lastMessageIds(),
    consumer.seek('earliest'),
    consumer.unsubscribe(),
  ];
  for (const type of unanswered) await topic.broker.waitFor((command) => command.type === type);
  const outcomes = Promise.allSettled(waiting);
  await consumer.close();
  for (const outcome of await outcomes) expect(outcome).toMatchObject(over);
});

it('leaves nobody waiting while there is no connection', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe();
  await topic.broker.close();
  await expect.poll(() => consumer.connected).toBe(false);
  const outcomes = Promise.allSettled([consumer.backlog(), consumer.lastMessageIds(), consumer.seek('latest'), consumer.unsubscribe()]);
  await consumer.close();
  for (const outcome of await outcomes) expect(outcome).toMatchObject(over);
});

it('refuses whatever is asked of it once it is closed', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe();
  await consumer.close();
  const late = [
    consumer.receive(),
    consumer.receive({ timeoutMs: 10 }),
    consumer.receiveBatch(),
    consumer.backlog(),
    consumer.lastMessageIds(),
    consumer.seek('earliest'),
    consumer.unsubscribe(),
    consumer.acknowledge(MessageId.parse('7:1:-1')),
    consumer.acknowledgeCumulative(MessageId.parse('7:1:-1')),
    consumer.run(() => undefined).done,
  ];
  const outcomes = await Promise.allSettled(late);
  for (const outcome of outcomes.slice(0, -1)) expect(outcome).toMatchObject(over);
  expect(outcomes.at(-1)).toEqual({ status: 'fulfilled', value: undefined });
  expect(await consumer.close()).toBeUndefined();
  for await (const _ of consumer) throw new Error('nothing comes any more');
});
