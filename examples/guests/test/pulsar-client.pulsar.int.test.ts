import { createPulsarClient } from '@paystream/pulsar';
import { expect, inject, it } from 'vitest';
import { runExample } from '../../../tools/example.ts';
import { greet } from '../pulsar-client/guest.ts';
import { printedBy } from './printed.ts';

declare module 'vitest' {
  interface ProvidedContext {
    pulsarBrokers: string;
  }
}

async function serviceUrlOfTests(): Promise<string> {
  const answer = await fetch(`${inject('pulsarBrokers')}/default/start`);
  return ((await answer.json()) as { readonly serviceUrl: string }).serviceUrl;
}

it('the Pulsar client of somebody else carries a message, and is open after the broker on it was closed', async () => {
  const client = createPulsarClient({ serviceUrl: await serviceUrlOfTests() });
  const topic = `guests-${process.pid}-${Date.now()}`;
  expect(await greet(client, topic, 'hello')).toBe('hello');
  const producer = await client.createProducer({ topic: `${topic}-own` });
  await producer.send({ value: Buffer.from('mine') });
  await client.close();
});

it('pulsar-client runs by itself, prints what its README says, and ends', async () => {
  const { code, output } = await runExample('guests/pulsar-client', { PAYSTREAM_PULSAR_URL: await serviceUrlOfTests() });
  expect(code, output).toBe(0);
  expect(output.trimEnd().split('\n')).toEqual(printedBy('pulsar-client'));
});
