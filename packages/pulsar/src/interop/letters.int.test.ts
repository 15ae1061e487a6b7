import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshTopic } from '../testing/test-support.ts';
import { allClients, base64, type Clients } from './test-support.ts';

let all: Clients;
beforeAll(async () => {
  all = await allClients();
});
afterAll(() => all[Symbol.asyncDispose]());

const eventTimeMs = 1_700_000_000_123;
const message = { value: 'poison', key: 'k', properties: { mine: 'kept' }, eventTimeMs } as const;
const outgoing = { ...message, value: base64(message.value) };

describe.concurrent('9.4.71 a message that is put away', () => {
  it('bears the same properties as Java gives it, from try to try and as a dead letter', async () => {
    const [ours, theirs] = [freshTopic('ours'), freshTopic('theirs')];
    const [id] = await all.send({ topic: ours, batching: false }, [message]);
    const [javaId] = await all.java.produce({ topic: theirs, messages: [outgoing] });

    await using consumer = await all.client.subscribe({
      topic: ours,
      subscription: 'sub',
      type: 'shared',
      initialPosition: 'earliest',
      retryLetter: true,
      deadLetter: { maxRedeliveries: 2, initialSubscription: 'java' },
    });
    for (let left = 3; left > 0; left--) await consumer.reconsumeLater(await consumer.receive());
    await all.java.consume({
      topic: theirs,
      subscription: 'sub',
      type: 'Shared',
      retry: true,
      maxRedeliveries: 2,
      count: 3,
      outcome: 'later',
    });

    for (const suffix of ['RETRY', 'DLQ']) {
      const count = suffix === 'RETRY' ? 2 : 1;
      const fromUs = await all.java.consume({ topic: `${ours}-sub-${suffix}`, count });
      const fromJava = await all.java.consume({ topic: `${theirs}-sub-${suffix}`, count });
      const bare = (from: typeof fromUs, topic: string, first: string | undefined) =>
        from.map(({ value, key, properties, eventTimeMs }) => ({
          value,
          key,
          eventTimeMs,
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, text]) => [name, text.replace(topic, 'TOPIC').replace(first ?? 'none', 'FIRST')]),
          ),
        }));
      expect(bare(fromUs, ours, String(id))).toEqual(bare(fromJava, theirs, javaId));
      expect(fromUs).toHaveLength(count);
    }
  });

  it('by Java, we take from where it waits', async () => {
    const topic = freshTopic();
    await all.java.produce({ topic, messages: [outgoing] });
    await all.java.consume({ topic, subscription: 'sub', type: 'Shared', retry: true, count: 1, outcome: 'later' });
    await using consumer = await all.client.subscribe({ topic, subscription: 'sub', type: 'shared', retryLetter: true });
    const again = await consumer.receive();
    expect(again.data.toString()).toBe('poison');
    expect(again.properties).toMatchObject({ RECONSUMETIMES: '1', REAL_TOPIC: topic, mine: 'kept' });
    await again.acknowledge();
  });
});

describe.concurrent('9.4.72 a message that was delivered too often', () => {
  it.each(['java', 'python'] as const)('becomes the same dead letter as %s makes of it', async (name) => {
    const [ours, theirs] = [freshTopic('ours'), freshTopic('theirs')];
    const [id] = await all.send({ topic: ours, batching: false }, [message]);
    const [theirId] = await all.send({ topic: theirs, batching: false }, [message]);
    await using consumer = await all.client.subscribe({
      topic: ours,
      subscription: 'sub',
      type: 'shared',
      initialPosition: 'earliest',
      negativeAckDelayMs: 100,
      deadLetter: { maxRedeliveries: 1, initialSubscription: 'java' },
    });
    for (let left = 2; left > 0; left--) consumer.negativeAcknowledge(await consumer.receive());
    const taken = await all.java.consume({ topic: `${ours}-sub-DLQ`, count: 1 });

    // The third message that is waited for never comes: the client has to stay until the letter is sent.
    await all[name].consume({
      topic: theirs,
      subscription: 'sub',
      type: 'Shared',
      maxRedeliveries: 1,
      count: 3,
      outcome: 'nack',
      timeoutMs: 2_000,
    });
    const [letter] = await all.receive(`${theirs}-sub-DLQ`, 1);
    const named = (properties: Readonly<Record<string, string>> | undefined, topic: string, first: unknown) =>
      Object.fromEntries(
        Object.entries(properties ?? {}).map(([key, text]) => [key, text.replace(topic, 'TOPIC').replace(String(first), 'FIRST')]),
      );
    const expected = named(letter?.properties, theirs, theirId);
    expect(taken[0]).toMatchObject({ value: base64('poison'), key: 'k', eventTimeMs });
    expect(letter?.data.toString()).toBe('poison');
    // Python writes ids in parentheses.
    if (name === 'python') expected['ORIGIN_MESSAGE_ID'] = 'FIRST';
    expect(named(taken[0]?.properties, ours, id)).toMatchObject(expected);
  });
});
