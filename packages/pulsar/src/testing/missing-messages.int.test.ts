import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { createPulsarClient } from '../client/client.ts';
import { allOf } from './missing-messages.ts';
import { freshTopic, realBroker } from './test-support.ts';

it('tells where messages are that a test waited for in vain', async () => {
  const broker = await realBroker();
  const topic = freshTopic();
  await using client = createPulsarClient({ serviceUrl: broker.serviceUrl });
  await using producer = await client.createProducer({ topic });
  await producer.send('stored');
  await using _ = await client.subscribe({ topic, subscription: 'sub', initialPosition: 'earliest', receiverQueueSize: 0 });

  const log = broker.logFile === undefined ? 'is elsewhere' : await readFile(broker.logFile, 'utf8');
  const lastLine = log.trimEnd().split('\n').at(-1);

  const told = await allOf(['one'], 2, topic, broker).catch(String);
  expect(told).toContain(`1 of 2 messages of ${topic} came`);
  expect(told).toContain('"msgBacklog": 1,');
  expect(told).toContain('"availablePermits": 0,');
  expect(told).toContain('"numberOfEntries": 1,');
  expect(told).toMatch(/"state": "(Ready|NoSnapshot)"/);
  expect(told).toContain(lastLine);
  expect(await allOf(['one', 'two'], 2, topic, broker)).toEqual(['one', 'two']);
});
