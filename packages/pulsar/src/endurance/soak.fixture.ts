// A process with ten producers and ten consumers, whose topics are unloaded again and again: soak.int.test.ts reads what it
// tells. Arguments: JSON with `serviceUrl`, `adminUrl`, `namespace`, `rounds`, `roundMs`, `perSecond` of each producer.
import { setTimeout as delay } from 'node:timers/promises';
import { createPulsarAdmin } from '../admin/index.ts';
import { createPulsarClient } from '../client/client.ts';
import { settledBytes } from './settled-memory.fixture.ts';

interface Work {
  readonly serviceUrl: string;
  readonly adminUrl: string;
  readonly namespace: string;
  readonly rounds: number;
  readonly roundMs: number;
  readonly perSecond: number;
}

const { serviceUrl, adminUrl, namespace, rounds, roundMs, perSecond } = JSON.parse(process.argv[2] ?? '') as Work;
const tickMs = 10;
let unhandled = 0;
process.on('unhandledRejection', (error) => {
  unhandled += 1;
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
});

const admin = createPulsarAdmin({ url: adminUrl });
const client = createPulsarClient({ serviceUrl, backoff: { maxMs: 1_000 } });
const lanes = await Promise.all(
  Array.from({ length: 10 }, async (_, at) => {
    const topic = `persistent://${namespace}/lane-${at}`;
    const consumer = await client.subscribe({ topic, subscription: 's', type: at % 2 === 0 ? 'exclusive' : 'failover' });
    const producer = await client.createProducer({ topic, name: `p${at}`, sendTimeoutMs: 0, maxPendingMessages: 100_000 });
    return { topic, producer, consumer, sent: 0, received: 0 };
  }),
);
type Lane = (typeof lanes)[number];

async function send(lane: Lane): Promise<void> {
  const sends: Promise<unknown>[] = [];
  const since = performance.now();
  while (performance.now() - since < roundMs) {
    for (const due = ((performance.now() - since) * perSecond) / 1_000; sends.length < due; ) {
      sends.push(lane.producer.send(`${lane.sent++}`));
    }
    await delay(tickMs);
  }
  await Promise.all(sends);
}

/** What a topic had not been told of as acknowledged when it moved comes again; nothing is left out. */
async function receive(lane: Lane): Promise<void> {
  for await (const message of lane.consumer) {
    const number = Number(message.data);
    if (number > lane.received) throw new Error(`${number} came for message ${lane.received} of ${lane.topic}`);
    if (number === lane.received) lane.received += 1;
    await message.acknowledge();
  }
}

const receiving = Promise.all(lanes.map(receive));
for (let round = 0; round < rounds; round++) {
  const sending = Promise.all(lanes.map(send));
  await delay(roundMs / 2);
  await admin.topics.unload(lanes[Math.floor(Math.random() * lanes.length)]?.topic ?? '');
  await sending;
  const drained = async (): Promise<void> => {
    for (const lane of lanes) while (lane.received < lane.sent) await delay(tickMs);
  };
  await Promise.race([drained(), receiving]);
  const sum = (of: 'sent' | 'received'): number => lanes.reduce((total, lane) => total + lane[of], 0);
  process.send?.({ messages: sum('sent'), received: sum('received'), unhandled, bytes: await settledBytes() });
}
await client.close();
await receiving.catch((error: { readonly code?: string }) => {
  if (error.code !== 'ALREADY_CLOSED') throw error;
});
process.disconnect();
