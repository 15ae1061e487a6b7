// A program: our Pulsar client, driven by lines of JSON on standard input as `go-pulsar/main.go` is. Ends with its input.
import { createInterface } from 'node:readline';
import { createPulsarClient, type PulsarClient } from '@paystream/pulsar';
import type { Figures, PulsarRound } from './pulsar-clients.ts';

function stopwatch(): () => Figures {
  const started = performance.now();
  const startedCpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(startedCpu);
    return { seconds: (performance.now() - started) / 1_000, cpuSeconds: (user + system) / 1e6 };
  };
}

async function produce(client: PulsarClient, { topic, count, size, keyed, oneByOne }: PulsarRound): Promise<Figures> {
  await using producer = await client.createProducer({
    topic,
    maxPendingMessages: 5_000,
    blockIfQueueFull: true,
    batching: oneByOne ? false : { maxMessages: 1_000, maxBytes: 128 * 1_024, maxDelayMs: 1, keyed: keyed ?? false },
  });
  const value = Buffer.from(Array.from({ length: size }, (_, index) => (index * 31) & 0xff));
  const stop = stopwatch();
  if (oneByOne) {
    for (let sent = 0; sent < count; sent++) await producer.send({ value });
    return stop();
  }
  // As an application does that does not want more than so many at once in its own memory either.
  await new Promise<void>((resolve, reject) => {
    let sent = 0;
    let confirmed = 0;
    const fill = (): void => {
      while (sent < count && sent - confirmed < 5_000) {
        producer.send(keyed ? { value, key: `key-${sent}` } : { value }).then(onConfirmed, reject);
        sent++;
      }
    };
    const onConfirmed = (): void => {
      confirmed++;
      if (confirmed === count) resolve();
      else fill();
    };
    fill();
  });
  return stop();
}

async function consume(client: PulsarClient, { topic, subscription = '', shared, count, size }: PulsarRound): Promise<Figures> {
  const stop = stopwatch();
  await using consumer = await client.subscribe({
    topic,
    subscription,
    type: shared ? 'shared' : 'exclusive',
    initialPosition: 'earliest',
    receiverQueueSize: 1_000,
  });
  let bytes = 0;
  for (let received = 0; received < count; received++) {
    const message = await consumer.receive();
    bytes += message.data.length;
    void message.acknowledge();
  }
  if (bytes !== count * size) throw new Error(`${bytes} bytes in ${count} messages of ${size}`);
  return stop();
}

let client: PulsarClient | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const round = JSON.parse(line) as PulsarRound;
  client ??= createPulsarClient({ serviceUrl: round.serviceUrl });
  const figures = await (round.do === 'produce' ? produce : consume)(client, round).catch((error: unknown) => ({ error: String(error) }));
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
await client?.close();
