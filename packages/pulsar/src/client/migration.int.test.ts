import { beforeAll, expect, it, onTestFinished } from 'vitest';
import type { PulsarEvent } from '../events/events.ts';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';
import { createPulsarClient } from './client.ts';

let blue: RealBroker;
let green: RealBroker;
beforeAll(async () => {
  [blue, green] = await Promise.all([realBroker('blue'), realBroker('green')]);
});

/** Tells the blue cluster that its topics live in the green one now, or that they do not. */
async function migrate(migrated: boolean): Promise<void> {
  const answer = await fetch(`${blue.adminUrl}/admin/v2/clusters/blue/migrate?migrated=${migrated}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ serviceUrl: green.adminUrl, brokerServiceUrl: green.serviceUrl }),
  });
  if (!answer.ok) throw new Error(`the cluster was not migrated: ${await answer.text()}`);
}

it('goes with a topic that is migrated to another cluster: nothing confirmed is lost, and order holds', async () => {
  const topic = freshTopic('migrated');
  const connected: string[] = [];
  const onEvent = (event: PulsarEvent): void => {
    if (event.scope === 'connection' && event.type === 'connected') connected.push(event.address);
  };
  // A cluster that takes over has the subscriptions already.
  await using ahead = createPulsarClient({ serviceUrl: green.serviceUrl });
  await (await ahead.subscribe({ topic, subscription: 's' })).close();
  const client = createPulsarClient({ serviceUrl: blue.serviceUrl, onEvent });
  onTestFinished(() => client.close());
  const consumer = await client.subscribe({ topic, subscription: 's' });
  const producer = await client.createProducer({ topic });
  const confirmed: string[] = [];
  const received: string[] = [];
  let sending = true;
  let sent = false;

  async function send(): Promise<void> {
    for (let number = 0; sending; number += 1) {
      await producer.send({ value: String(number) });
      confirmed.push(String(number));
    }
    sent = true;
  }

  async function receive(): Promise<void> {
    // Some may come twice.
    while (!sent || new Set(received).size < confirmed.length) {
      const message = await consumer.receive({ timeoutMs: 1_000 });
      if (message === undefined) continue;
      received.push(message.data.toString());
      await message.acknowledge();
    }
  }

  const running = Promise.all([send(), receive()]);
  await expect.poll(() => received.length).toBeGreaterThan(20);
  await migrate(true);
  onTestFinished(() => migrate(false));
  await expect.poll(() => connected.includes(new URL(green.serviceUrl).host), { timeout: 20_000 }).toBe(true);
  const before = confirmed.length;
  await expect.poll(() => confirmed.length, { timeout: 20_000 }).toBeGreaterThan(before + 20);
  sending = false;
  await running;
  expect([...new Set(received)]).toEqual(confirmed);

  // Who comes later, to the cluster that it knows, reads what is left there and is led on.
  const late = await client.subscribe({ topic, subscription: 'late', initialPosition: 'earliest' });
  const all = new Set<string>();
  while (all.size < confirmed.length) {
    const message = await late.receive();
    all.add(message.data.toString());
    await message.acknowledge();
  }
  expect([...all]).toEqual(confirmed);
  const other = await client.createProducer({ topic: freshTopic('migrated') });
  await other.send({ value: 'x' });
});
