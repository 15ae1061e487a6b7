import { createPulsarClient } from '@paystream/pulsar';
import { expect, inject, it } from 'vitest';
import { greet } from '../pulsar-client/guest.ts';

declare module 'vitest' {
  interface ProvidedContext {
    pulsarBrokers: string;
  }
}

it('the Pulsar client of somebody else carries a message, and is open after the broker on it was closed', async () => {
  const answer = await fetch(`${inject('pulsarBrokers')}/default/start`);
  const { serviceUrl } = (await answer.json()) as { readonly serviceUrl: string };
  const client = createPulsarClient({ serviceUrl });
  const topic = `guests-${process.pid}-${Date.now()}`;
  expect(await greet(client, topic, 'hello')).toBe('hello');
  const producer = await client.createProducer({ topic: `${topic}-own` });
  await producer.send({ value: Buffer.from('mine') });
  await client.close();
});
