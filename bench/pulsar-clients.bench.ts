import { startPulsar } from '../tools/pulsar/broker.ts';
import { type Benchmark, type Finding, findingOf, type Series, series, takeTurns } from './compare.ts';
import { clients, type Figures, type MeasuredClient, type PulsarRound } from './support/pulsar-clients.ts';

interface Column {
  readonly label: string;
  readonly round: Omit<PulsarRound, 'serviceUrl' | 'topic'>;
}

// So many that a round takes a second or more, and what a client takes to warm up does not show.
const kib = { size: 1_024, count: 200_000 } as const;
const small = { size: 128, count: 600_000 } as const;

const warmup = 2;

/** What is measured, by the name that `--columns` takes. */
const columns: Readonly<Record<string, Column>> = {
  'produce-1k': { label: 'produce 1 KiB', round: { do: 'produce', ...kib } },
  'exclusive-1k': { label: 'consume exclusive 1 KiB', round: { do: 'consume', ...kib } },
  'shared-1k': { label: 'consume shared 1 KiB', round: { do: 'consume', shared: true, ...kib } },
  'produce-128': { label: 'produce 128 B', round: { do: 'produce', ...small } },
  'exclusive-128': { label: 'consume exclusive 128 B', round: { do: 'consume', ...small } },
  'shared-128': { label: 'consume shared 128 B', round: { do: 'consume', shared: true, ...small } },
  keyed: {
    label: 'produce 128 B, batches by key, all keys different',
    round: { do: 'produce', count: 20_000, size: 128, keyed: true },
  },
  single: { label: 'one message at a time, 1 KiB', round: { do: 'produce', count: 300, size: 1_024, oneByOne: true } },
};

/** A figure of a round, and what ours should reach beside Go. */
interface Measure {
  readonly unit: string;
  readonly goal?: number;
  readonly lowerIsBetter?: boolean;
  readonly of: (figures: Figures, count: number) => number;
}

const cpu: Measure = { unit: 'CPU s/100k', lowerIsBetter: true, of: ({ cpuSeconds }, count) => (cpuSeconds / count) * 100_000 };
const rate: Measure = { unit: 'msgs/s', goal: 0.9, of: ({ seconds }, count) => count / seconds };
const p50: Measure = { unit: 'ms, p50', goal: 1, lowerIsBetter: true, of: ({ p50Ms = Number.NaN }) => p50Ms };
const p99: Measure = { unit: 'ms, p99', lowerIsBetter: true, of: ({ p99Ms = Number.NaN }) => p99Ms };

/** Those that a list names, in their own order. Throws for a name that is none. */
function chosen(option: string, given: unknown, all: readonly string[]): string[] {
  if (typeof given !== 'string') return [...all];
  const names = given.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`--${option} cannot be "${unknown}"; there are: ${all.join(', ')}`);
  return all.filter((name) => names.includes(name));
}

function positive(option: string, given: unknown, otherwise: number): number {
  const value = given === undefined ? otherwise : Number(given);
  if (!(value > 0)) throw new Error(`--${option} cannot be "${given}": it is a number above 0`);
  return value;
}

export const benchmark: Benchmark = {
  name: 'pulsar-clients',
  question: 'How does @paystream/pulsar do beside the official clients, at one broker?',
  options: {
    clients: `which of ${Object.keys(clients).slice(1).join(',')} beside ours (all)`,
    columns: `which of ${Object.keys(columns).join(',')} (all)`,
    rounds: 'how many rounds count, of each client and column (5)',
    scale: 'how many messages a round has, as a part of what it usually has (1)',
  },
  run: async (options) => {
    const peers = chosen('clients', options['clients'], Object.keys(clients).slice(1));
    const wanted = chosen('columns', options['columns'], Object.keys(columns));
    const rounds = Math.ceil(positive('rounds', options['rounds'], 5));
    const scale = positive('scale', options['scale'], 1);
    const findings: Finding[] = [];
    await using running = new AsyncDisposableStack();
    const broker = await startPulsar({ heapMb: 1_024, directMemoryMb: 1_024 });
    running.defer(() => broker.stop());
    const { serviceUrl } = broker;

    const started: MeasuredClient[] = [];
    for (const [name, start] of Object.entries(clients)) {
      if (name !== 'ours' && !peers.includes(name)) continue;
      try {
        started.push(running.use(await start()));
      } catch (error) {
        // Ours has no excuse; a peer that cannot run here is said to be missing.
        if (name === 'ours') throw error;
        const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
        findings.push({ case: 'all', unit: '', measured: series(name, []), skipped: `not measured: ${why}` });
      }
    }
    const go = started.find(({ name }) => name === 'official Go client');

    let made = 0;
    const fresh = (): string => `bench-${made++}`;
    const filled = new Map<number, Promise<string>>();

    /** A topic that holds so many messages. */
    async function fill(count: number, size: number): Promise<string> {
      const topic = fresh();
      await (go ?? started[0])?.round({ do: 'produce', serviceUrl, topic, count, size });
      return topic;
    }

    async function topicOf({ do: what, count, size }: Column['round']): Promise<string> {
      if (what === 'produce') return fresh();
      const topic = filled.get(size) ?? fill(count, size);
      filled.set(size, topic);
      return topic;
    }

    /** Rounds of all by turns. */
    async function measure({ label, round }: Column): Promise<void> {
      const count = Math.max(1, Math.round(round.count * scale));
      const figures = started.map((): Figures[] => []);
      const contestants = started.map((client, index) => ({
        name: client.name,
        async round() {
          const taken = await client.round({
            ...round,
            count,
            serviceUrl,
            topic: await topicOf({ ...round, count }),
            subscription: fresh(),
          });
          figures[index]?.push(taken);
          return taken.seconds;
        },
      }));
      await takeTurns(contestants, rounds, warmup);
      for (const { of, goal, ...unit } of round.oneByOne ? [p50, p99, cpu] : [rate, cpu]) {
        const ofClient = (client: MeasuredClient): Series => {
          const counted = figures[started.indexOf(client)]?.slice(-rounds) ?? [];
          return series(
            client.name,
            counted.map((taken) => of(taken, count)),
          );
        };
        for (const client of started) {
          if (client === go) continue;
          const reference = go && ofClient(go);
          const ours = client === started[0] && go !== undefined;
          findings.push(findingOf({ case: label, ...unit, measured: ofClient(client), reference, goal: ours ? goal : undefined }));
        }
      }
    }

    for (const name of wanted) await measure(columns[name] as Column);
    return findings;
  },
};
