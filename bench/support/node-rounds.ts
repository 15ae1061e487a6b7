// What the programs of Node's Pulsar clients have in common: lines of JSON in and out, and how messages are counted and timed.
import { createInterface } from 'node:readline';
import type { Figures, PulsarRound } from './pulsar-clients.ts';

/** Messages that are on their way at once. */
export const maxPending = 5_000;

/** Starts to measure; returns what gives the figures so far. */
export function stopwatch(): () => Figures {
  const started = performance.now();
  const startedCpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(startedCpu);
    return { seconds: (performance.now() - started) / 1_000, cpuSeconds: (user + system) / 1e6 };
  };
}

/** The payload of every message. */
export function payloadOf(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, index) => (index * 31) & 0xff));
}

async function oneByOne(count: number, send: (index: number) => Promise<unknown>): Promise<Figures> {
  const taken = new Float64Array(count);
  const stop = stopwatch();
  for (let index = 0; index < count; index++) {
    const sent = performance.now();
    await send(index);
    taken[index] = performance.now() - sent;
  }
  const figures = stop();
  taken.sort();
  return { ...figures, p50Ms: taken[Math.floor(count / 2)] ?? Number.NaN, p99Ms: taken[Math.floor(count * 0.99)] ?? Number.NaN };
}

/** Sends as many messages as the round says. */
export async function sendAll({ count, ...round }: PulsarRound, send: (index: number) => Promise<unknown>): Promise<Figures> {
  if (round.oneByOne) return oneByOne(count, send);
  const stop = stopwatch();
  // As an application does that does not want more than so many at once in its own memory either.
  await new Promise<void>((resolve, reject) => {
    let sent = 0;
    let confirmed = 0;
    const fill = (): void => {
      while (sent < count && sent - confirmed < maxPending) {
        send(sent).then(onConfirmed, reject);
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

/** Does every round that a line of standard input asks for, until there are no more. */
export async function answerRounds(run: (round: PulsarRound) => Promise<Figures>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const figures = await run(JSON.parse(line) as PulsarRound).catch((error: unknown) => ({ error: String(error) }));
    process.stdout.write(`${JSON.stringify(figures)}\n`);
  }
}
