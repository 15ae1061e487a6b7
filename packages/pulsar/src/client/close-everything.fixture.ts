// A process that makes everything that a client can make, leaves much of it waiting, closes the client and has nothing more to
// do: faults.int.test.ts looks what is left. Arguments: JSON with `serviceUrl`, `adminUrl`, `topic`.
import { createPulsarAdmin } from '../admin/index.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { createPulsarClient } from './client.ts';

const { serviceUrl, adminUrl, topic } = JSON.parse(process.argv[2] ?? '') as Readonly<Record<'serviceUrl' | 'adminUrl' | 'topic', string>>;

const partitioned = `${topic}-partitioned`;
await createPulsarAdmin({ url: adminUrl }).topics.createPartitioned(partitioned, 3);

const client = createPulsarClient({ serviceUrl, transactions: true });
const waiting: Promise<unknown>[] = [];

const producer = await client.createProducer({ topic, batching: { maxDelayMs: 60_000 } });
await client.createProducer({ topic: partitioned, partitionsUpdateMs: 100 });
const exclusive = await client.subscribe({
  ...{ topic, subscription: 'exclusive', initialPosition: 'earliest' },
  ...{ ackTimeoutMs: 60_000, ackGroupTimeMs: 60_000 },
});
const shared = await client.subscribe({
  ...{ topic, subscription: 'shared', type: 'shared', initialPosition: 'earliest' },
  ...{ retryLetter: true, deadLetter: { maxRedeliveries: 3 } },
});
const keyShared = await client.subscribe({ topic: partitioned, subscription: 'keys', type: 'key_shared', partitionsUpdateMs: 100 });
const pattern = await client.subscribe({ topicsPattern: 'public/default/no-such-.*', subscription: 'pattern', patternUpdateMs: 100 });
const reader = await client.createReader({ topic: `${topic}-read` });
await client.createTableView({ topic: `${topic}-table` });
const transaction = await client.newTransaction({ timeoutMs: 60_000 });

await Promise.all(['a', 'b', 'c'].map((value) => producer.send({ value })));
await (await exclusive.receive()).acknowledge();
(await shared.receive()).negativeAcknowledge({ delayMs: 60_000 });
await shared.reconsumeLater(await shared.receive(), { delayMs: 60_000 });
await producer.send({ value: 'd', transaction });

waiting.push(keyShared.receive(), keyShared.receive({ timeoutMs: 60_000 }), pattern.receive(), reader.readNext());
waiting.push(reader.readNext({ timeoutMs: 60_000 }));
const run = Promise.allSettled([keyShared.run(async () => undefined, { concurrency: 4 }).done]);
const outcomes = Promise.allSettled(waiting);
await client.close();

await run;
const settled = (await outcomes).map((outcome) => {
  if (outcome.status === 'fulfilled') return 'fulfilled';
  return PulsarError.is(outcome.reason) ? outcome.reason.code : String(outcome.reason);
});
// Sockets that are being closed are gone a turn later.
await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const handles = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name.startsWith('TCP') || name.startsWith('TLS'));
process.send?.({ settled: [...new Set(settled)], handles });
process.disconnect();
