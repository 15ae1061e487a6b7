import { beforeAll, expect, it } from 'vitest';
import { freshTopic, type RealBroker, realBroker } from '../test-support.ts';
import { type JavaClient, javaClient } from './test-support.ts';

let broker: RealBroker;
let java: JavaClient;
beforeAll(async () => {
  broker = await realBroker();
  java = await javaClient(broker);
});

it('lets tests write and read with the official Java client', async () => {
  const topic = freshTopic();
  const messages = [{ value: 'aGk=', key: 'k', properties: { a: 'b' }, eventTimeMs: 5, sequenceId: 7 }, { value: null }];
  const ids = await java.produce({ topic, messages });
  expect(ids).toHaveLength(2);
  const received = await java.consume({ topic, count: 2 });
  expect(received[0]).toMatchObject({ value: 'aGk=', key: 'k', properties: { a: 'b' }, eventTimeMs: 5, sequenceId: 7 });
  expect(received[1]).toMatchObject({ isNull: true, hasKey: false });
  await expect(java.produce({ topic, schema: 'int64', messages: [{ value: 'x' }] })).rejects.toThrow('NumberFormatException');
});
