// A process that sends many messages and consumes them, with one client, and tells what it holds as it goes: heap.int.test.ts
// reads that. Arguments: JSON with `serviceUrl`, `topic`, `messages`, `rounds`.
import { createPulsarClient } from '../client/client.ts';
import { settledBytes } from './settled-memory.fixture.ts';

interface Work {
  readonly serviceUrl: string;
  readonly topic: string;
  readonly messages: number;
  readonly rounds: number;
}

const { serviceUrl, topic, messages, rounds } = JSON.parse(process.argv[2] ?? '') as Work;
const IN_FLIGHT = 2_000;

const client = createPulsarClient({ serviceUrl });
const producer = await client.createProducer({ topic, maxPendingMessages: IN_FLIGHT, blockIfQueueFull: true, compression: 'lz4' });
const consumer = await client.subscribe({ topic, subscription: 's', type: 'shared', initialPosition: 'earliest' });
const filler = 'x'.repeat(100);

async function sendUpTo(end: number, from: number): Promise<void> {
  let next = from;
  const sender = async (): Promise<void> => {
    while (next < end) {
      const number = next++;
      await producer.send({ value: `${number} ${filler}`, key: `k${number}`, properties: { number: String(number) } });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, sender));
}

async function receiveUpTo(end: number, from: number): Promise<void> {
  for (let number = from; number < end; number++) {
    const message = await consumer.receive({ timeoutMs: 30_000 });
    const text = message?.data.toString().split(' ')[0];
    if (text !== String(number)) throw new Error(`${text ?? 'nothing'} came for message ${number}`);
    if (message?.properties['number'] !== text) throw new Error(`message ${number} has other properties`);
    await message.acknowledge();
  }
}

for (let round = 0; round < rounds; round++) {
  const from = Math.floor((messages * round) / rounds);
  const end = Math.floor((messages * (round + 1)) / rounds);
  await Promise.all([sendUpTo(end, from), receiveUpTo(end, from)]);
  process.send?.({ messages: end, bytes: await settledBytes() });
}
while ((await consumer.backlog()) > 0) await new Promise((resolve) => setTimeout(resolve, 50));
await client.close();
process.disconnect();
