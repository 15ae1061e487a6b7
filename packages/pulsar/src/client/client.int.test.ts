import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';
import { createContext, type OwnedContext } from './create-context.ts';

let broker: RealBroker;
let owned: OwnedContext;
beforeAll(async () => {
  broker = await realBroker();
  owned = createContext({ serviceUrl: broker.serviceUrl });
});
afterAll(() => owned.close());

it('9.1.1 shakes hands with a real broker', async () => {
  const { connection } = await owned.context.pool.connectToService();
  expect(connection.protocolVersion).toBe(21);
  expect(connection.maxMessageSize).toBe(5_242_880);
  expect(connection.features).toMatchObject({ topicWatchers: true, metadataWithoutAutoCreation: true });
});

it('9.2.21 connects plainly where a standalone broker says that it is a proxy', async () => {
  const address = await owned.context.lookup.topic(freshTopic());
  expect(address.logical).toBe(address.physical);
  const connection = await owned.context.pool.connect(address, 0);
  expect(connection.closed).toBe(false);
});
