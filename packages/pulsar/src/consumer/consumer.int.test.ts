import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPulsarClient, type PulsarClient } from '../client/client.ts';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';

let broker: RealBroker;
let client: PulsarClient;
beforeAll(async () => {
  broker = await realBroker();
  client = createPulsarClient({ serviceUrl: broker.serviceUrl });
});
afterAll(() => client.close());

describe('a consumer of a real broker', () => {
  it.each([true, false])('receives what was sent, in order, batched: %s', async (batched) => {
    const topic = freshTopic();
    await using consumer = await client.subscribe({ topic, subscription: 's', receiverQueueSize: 10 });
    await using producer = await client.createProducer({ topic, batching: batched ? {} : false });
    await Promise.all(
      Array.from({ length: 500 }, (_, at) => producer.send({ value: `m${at}`, key: `k${at % 7}`, properties: { at: `${at}` } })),
    );
    for (let at = 0; at < 500; at++) {
      const message = await consumer.receive();
      expect(message.data.toString()).toBe(`m${at}`);
      expect(message.key).toBe(`k${at % 7}`);
      expect(message.properties).toEqual({ at: `${at}` });
      await message.acknowledge();
    }
    await expect.poll(() => consumer.backlog()).toBe(0);
  });
});
