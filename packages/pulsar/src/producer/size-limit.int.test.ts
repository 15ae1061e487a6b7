import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { createPulsarClient } from '../client/client.ts';
import { freshTopic, realBroker } from '../testing/test-support.ts';

const MIB = 1024 * 1024;

it.each([{ batching: {} }, { batching: false as const }])(
  '9.3.31 what the broker just takes is stored, and a byte more never leaves the client (%o)',
  async (options) => {
    const broker = await realBroker('small');
    const client = createPulsarClient({ serviceUrl: broker.serviceUrl });
    try {
      const topic = freshTopic();
      const producer = await client.createProducer({ topic, ...options });
      const fits = randomBytes(MIB - 200);
      const [before, exact, tooLarge, after] = await Promise.allSettled([
        producer.send('before'),
        producer.send(fits),
        producer.send(randomBytes(MIB)),
        producer.send('after'),
      ]);
      expect([before.status, exact.status, after.status]).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
      expect(tooLarge).toMatchObject({ status: 'rejected', reason: { code: 'MESSAGE_TOO_LARGE', retryable: false } });
      const reader = await client.createReader({ topic, start: 'earliest' });
      const read = [await reader.receive(), await reader.receive(), await reader.receive()].map(({ data }) => data);
      expect(read.map(({ length }) => length)).toEqual([6, fits.length, 5]);
      expect(read[1]?.equals(fits)).toBe(true);
      expect(await reader.hasMessageAvailable()).toBe(false);
    } finally {
      await client.close();
    }
  },
);
