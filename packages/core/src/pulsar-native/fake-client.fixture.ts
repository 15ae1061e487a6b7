import type { Client, Message } from 'pulsar-client';

/** A client of which a test says what it does. */
export function clientWith(parts: Partial<Client>): Client & { closes: number } {
  const client = {
    closes: 0,
    createProducer: () => Promise.reject(new Error('Failed to create producer: UnknownError')),
    subscribe: () => Promise.reject(new Error('Failed to create consumer: UnknownError')),
    createReader: () => Promise.reject(new Error('Failed to create reader: UnknownError')),
    getPartitionsForTopic: async () => [],
    close: async () => {
      client.closes += 1;
      return null;
    },
    ...parts,
  };
  return client;
}

/** A message as the addon gives it, of the ledger 1. */
export function messageOf(text: string, entry: number, more: { readonly partition?: number; readonly properties?: object } = {}): Message {
  const { partition = -1, properties = {} } = more;
  return {
    getMessageId: () => ({ toString: () => `(1,${entry},${partition},-1)` }),
    getData: () => Buffer.from(text),
    getPartitionKey: () => 'k',
    getEventTimestamp: () => 0,
    getPublishTimestamp: () => 1,
    getRedeliveryCount: () => 0,
    // An array, on which properties are set.
    getProperties: () => Object.assign([], properties),
  } as unknown as Message;
}
