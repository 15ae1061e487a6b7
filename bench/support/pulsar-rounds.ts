// A program: our Pulsar client, driven by lines of JSON on standard input as `go-pulsar/main.go` is. Ends with its input.
import { createPulsarClient, type PulsarClient } from '@paystream/pulsar';
import { answerRounds, maxPending, payloadOf, sendAll, stopwatch } from './node-rounds.ts';
import type { Figures, PulsarRound } from './pulsar-clients.ts';

async function produce(client: PulsarClient, round: PulsarRound): Promise<Figures> {
  const { topic, keyed } = round;
  await using producer = await client.createProducer({
    topic,
    maxPendingMessages: maxPending,
    blockIfQueueFull: true,
    batching: round.oneByOne ? false : { maxMessages: 1_000, maxBytes: 128 * 1_024, maxDelayMs: 1, keyed: keyed ?? false },
  });
  const value = payloadOf(round.size);
  // Before the producer is closed.
  return await sendAll(round, (index) => producer.send(keyed ? { value, key: `key-${index}` } : { value }));
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
await answerRounds((round) => {
  client ??= createPulsarClient({ serviceUrl: round.serviceUrl });
  return (round.do === 'produce' ? produce : consume)(client, round);
});
await client?.close();
