import { startPulsar } from '../tools/pulsar/broker.ts';
import { type Benchmark, compare, type Finding, series } from './compare.ts';
import { type MeasuredClient, type PulsarRound, startGo, startOurs } from './support/pulsar-clients.ts';

const rounds = 5;
const sizes = [
  { label: '1 KiB', size: 1_024, count: 60_000 },
  { label: '128 B', size: 128, count: 400_000 },
] as const;

export const benchmark: Benchmark = {
  name: 'pulsar-clients',
  question: 'How does @paystream/pulsar do beside the official Go client, at one broker?',
  run: async () => {
    const broker = await startPulsar({ heapMb: 1_024, directMemoryMb: 1_024 });
    try {
      const { serviceUrl } = broker;
      await using go = await startGo();
      await using ours = startOurs();
      let made = 0;
      const fresh = (): string => `bench-${made++}`;

      /** Rounds of both by turns: messages a second, and what they take of the processors. */
      async function beside(name: string, goal: number, round: () => Omit<PulsarRound, 'serviceUrl'>): Promise<Finding[]> {
        const cpu = new Map<MeasuredClient, number[]>([ours, go].map((client) => [client, []]));
        const contestant = (client: MeasuredClient): { name: string; round(): Promise<number> } => ({
          name: client.name,
          async round() {
            const asked = round();
            const { seconds, cpuSeconds } = await client.round({ serviceUrl, ...asked });
            cpu.get(client)?.push((cpuSeconds / asked.count) * 100_000);
            return asked.count / seconds;
          },
        });
        const speed = await compare({ case: name, unit: 'msgs/s', measured: contestant(ours), reference: contestant(go), goal, rounds });
        const [measured, reference] = [ours, go].map((client) => series(client.name, (cpu.get(client) ?? []).slice(-rounds)));
        if (measured === undefined || reference === undefined) return [speed];
        return [speed, { case: name, unit: 'CPU s/100k', measured, reference, ratio: measured.median / reference.median }];
      }

      const findings: Finding[] = [];
      for (const { label, size, count } of sizes) {
        findings.push(...(await beside(`produce ${label}`, 0.9, () => ({ do: 'produce', topic: fresh(), count, size }))));
        const topic = fresh();
        await go.round({ do: 'produce', serviceUrl, topic, count, size });
        for (const shared of [false, true]) {
          const name = `consume ${shared ? 'shared' : 'exclusive'} ${label}`;
          findings.push(...(await beside(name, 0.9, () => ({ do: 'consume', topic, subscription: fresh(), shared, count, size }))));
        }
      }
      const keyed = { do: 'produce', count: 20_000, size: 128, keyed: true } as const;
      findings.push(...(await beside('produce 128 B, batches by key, all keys different', 0.9, () => ({ ...keyed, topic: fresh() }))));
      const single = { do: 'produce', count: 300, size: 1_024, oneByOne: true } as const;
      findings.push(...(await beside('one message at a time, 1 KiB', 1, () => ({ ...single, topic: fresh() }))));
      return findings;
    } finally {
      await broker.stop();
    }
  },
};
