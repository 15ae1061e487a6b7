import { beforeAll, expect, it } from 'vitest';
import { createPulsarAdmin } from '../admin/index.ts';
import type { Producer } from '../producer/producer.ts';
import { createFaultProxy, type Faults } from '../testing/fault-proxy.ts';
import { type RealBroker, realBroker } from '../testing/test-support.ts';
import { createPulsarClient } from './client.ts';

const CUTS = 1_000;
const IN_FLIGHT = 200;

let broker: RealBroker;
beforeAll(async () => {
  broker = await realBroker();
});

/** Numbers from 0 to less than 1, the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Every connection is cut: in the handshake, in look-ups, in the middle of a frame, or only after a lot of traffic. */
function cutSomewhere(random: () => number): Faults {
  const afterBytes = Math.floor(10 ** (1 + random() * 4.3));
  return { cut: { direction: random() < 0.5 ? 'up' : 'down', afterBytes } };
}

it(`loses nothing and keeps the order while connections are cut ${CUTS} times anywhere`, { timeout: 600_000 }, async () => {
  const admin = createPulsarAdmin({ url: broker.adminUrl });
  const namespace = `public/cuts-${Date.now().toString(36)}`;
  await admin.namespaces.create(namespace, { bundles: 1 });
  await admin.namespaces.setDeduplication(namespace, true);
  const topic = `persistent://${namespace}/numbers`;
  await admin.topics.create(topic);

  const random = seeded(20_250_807);
  const proxy = await createFaultProxy({ target: broker.serviceUrl });
  const client = createPulsarClient({ serviceUrl: proxy.serviceUrl, backoff: { initialMs: 2, maxMs: 20 } });
  const consumer = await client.subscribe({ topic, subscription: 'all', initialPosition: 'earliest' });
  const producer: Producer = await client.createProducer({ topic, name: 'counter', sendTimeoutMs: 120_000 });
  proxy.setFaults(() => cutSomewhere(random));
  proxy.cutAll();

  let sent = 0;
  let acknowledged = 0;
  const failures: unknown[] = [];
  const inFlight = new Set<Promise<unknown>>();
  const received: number[] = [];
  let highest = -1;
  const reading = (async () => {
    for await (const message of consumer) {
      const number = Number(message.data.toString().split(' ')[0]);
      // What was not acknowledged when a connection was lost comes again; nothing new may be left out.
      if (number > highest) {
        received.push(number);
        highest = number;
      }
      await message.acknowledge();
    }
  })();

  while (proxy.accepted < CUTS) {
    const number = sent;
    sent += 1;
    const sending = producer.send({ value: `${number} ${'x'.repeat(Math.floor(random() * 300))}` }).then(
      () => {
        acknowledged += 1;
      },
      (error: unknown) => {
        failures.push(error);
      },
    );
    const tracked = sending.finally(() => inFlight.delete(tracked));
    inFlight.add(tracked);
    if (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight);
  }
  proxy.setFaults({});
  await Promise.all(inFlight);
  await expect.poll(() => received.length, { timeout: 60_000 }).toBe(sent);
  await client.close();
  await reading.catch(() => undefined);
  await proxy.close();

  expect(failures).toEqual([]);
  // Traffic went on between the cuts.
  expect(sent).toBeGreaterThan(CUTS * 5);
  expect(acknowledged).toBe(sent);
  expect(received).toEqual(Array.from({ length: sent }, (_, number) => number));

  // What is stored: each number once, in order.
  const direct = createPulsarClient({ serviceUrl: broker.serviceUrl });
  const reader = await direct.createReader({ topic, start: 'earliest' });
  const stored: number[] = [];
  while (await reader.hasMessageAvailable()) stored.push(Number((await reader.readNext()).data.toString().split(' ')[0]));
  await direct.close();
  expect(stored).toEqual(received);
});
