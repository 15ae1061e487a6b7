import { expect, it } from 'vitest';
import type { PulsarClientOptions } from '../client/options.ts';
import { BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { type FakeTopic, fakeTopic } from './fake-topic.ts';
import type { Consumer } from './port.ts';

const KB = 1_000;

/** A topic of so many messages of one size, which are sent as permits allow. */
async function topicOf(
  count: number,
  size: number,
  options: Partial<PulsarClientOptions>,
): Promise<FakeTopic & { readonly delivered: () => number }> {
  let delivered = 0;
  const topic: FakeTopic = await fakeTopic(({ flow }) => {
    if (flow === undefined) return false;
    const until = Math.min(count, delivered + flow.messagePermits);
    const entries = Array.from({ length: until - delivered }, (_, at) => ({ entryId: delivered + at, texts: [Buffer.alloc(size)] }));
    delivered = until;
    if (entries.length > 0) topic.deliver(entries);
    return true;
  }, options);
  return { ...topic, [Symbol.asyncDispose]: () => topic[Symbol.asyncDispose](), delivered: () => delivered };
}

async function take(consumer: Consumer, count: number): Promise<void> {
  for (let taken = 0; taken < count; taken++) {
    const message = await consumer.receive({ timeoutMs: 5_000 });
    expect(message?.id.entryId).toBe(BigInt(taken));
  }
}

it('asks for no more than the memory limit allows, however many messages it may queue', async () => {
  await using topic = await topicOf(300, 100 * KB, { memoryLimitBytes: 3_000 * KB });
  const consumer = await topic.subscribe({ receiverQueueSize: 1_000 });
  await expect.poll(topic.delivered).toBeGreaterThan(16);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(topic.delivered()).toBeLessThanOrEqual(31);
  await take(consumer, 300);
});

it('goes on one message at a time where a single one is larger than the limit', async () => {
  await using topic = await topicOf(40, 100 * KB, { memoryLimitBytes: 10 * KB });
  const consumer = await topic.subscribe({ receiverQueueSize: 1_000 });
  await take(consumer, 40);
  // The first ones were asked for before it was known how large they are.
  expect(topic.commands(Type.FLOW).length).toBe(1 + 40 - 16);
});

it('asks for as many as it may queue once it knows that they are small', async () => {
  await using topic = await topicOf(3_000, 100, {});
  const consumer = await topic.subscribe({ receiverQueueSize: 1_000 });
  await expect.poll(topic.delivered).toBe(1_000);
  await take(consumer, 3_000);
  // One of 16, what was left of the queue, and one each time half of it was taken.
  expect(topic.commands(Type.FLOW).length).toBeLessThanOrEqual(2 + 6);
});

it('gives permits by half a queue also where each message is taken as it comes', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe({ receiverQueueSize: 100 });
  for (let entryId = 0; entryId < 200; entryId++) {
    topic.deliver([{ entryId, texts: ['m'] }]);
    await consumer.receive({ timeoutMs: 5_000 });
  }
  // One of 16, what was left of the queue, and one for each half of it.
  await expect.poll(topic.permits).toBe(300);
  expect(topic.commands(Type.FLOW)).toHaveLength(2 + 4);
});

it('does not stand still because others hold all the memory', async () => {
  await using topic = await topicOf(50, 100 * KB, { memoryLimitBytes: 1_000 * KB });
  await topic.subscribe({ subscription: 'idle' });
  await expect.poll(topic.delivered).toBe(16);
  const busy = await topic.subscribe({ topic: 'other', subscription: 'busy' });
  expect((await busy.receive({ timeoutMs: 5_000 }))?.id.entryId).toBe(16n);
  expect((await busy.receive({ timeoutMs: 5_000 }))?.id.entryId).toBe(17n);
});

it('asks for all that it may queue where there is no limit', async () => {
  await using topic = await fakeTopic(() => false, { memoryLimitBytes: 0 });
  await topic.subscribe({ receiverQueueSize: 500 });
  await topic.broker.waitFor(({ type }) => type === Type.FLOW);
  expect(topic.permits()).toBe(500);
});
