import { cp } from 'node:fs/promises';
import { type Benchmark, type Contestant, compare } from './compare.ts';
import { temporaryFolder } from './support/folder.ts';
import { idPrefixes, multiplyRows } from './support/old-orders.ts';
import { type MeasuredStack, startMeasuredStack } from './support/settled.ts';

const base = 2_000;
const perRound = 3_000;
const inFlight = 256;
/** 1000000 takes some minutes and 5 GB. */
const oldOrders = Number(process.env['PAYSTREAM_BENCH_OLD_ORDERS'] ?? 100_000);

const settling = (name: string, stack: MeasuredStack): Contestant => ({
  name,
  round: async () => perRound / ((await stack.settle(perRound, inFlight)) / 1_000),
});
const settings = (directory: string): Readonly<Record<string, string>> => ({
  PAYSTREAM_DATA_DIR: directory,
  PAYSTREAM_GATEWAY_LATENCY_MS: '0',
});

export const benchmark: Benchmark = {
  name: 'old-rows',
  question: `How much of its rate does the stack keep when ${oldOrders.toLocaleString('en')} orders are there already?`,
  run: async () => {
    await using folder = await temporaryFolder();
    const [few, many] = [folder.path('few'), folder.path('many')];
    {
      await using first = await startMeasuredStack(settings(few));
      await first.settle(base, inFlight);
      await first.stop();
    }
    await cp(few, many, { recursive: true });
    const prefixes = idPrefixes(`${many}/paystream.sqlite`);
    for (const file of ['paystream.sqlite', 'gateway.sqlite']) multiplyRows(`${many}/${file}`, prefixes, Math.ceil(oldOrders / base));

    await using empty = await startMeasuredStack(settings(few));
    await using full = await startMeasuredStack(settings(many));
    return [
      await compare({
        case: `${oldOrders.toLocaleString('en')} old orders`,
        unit: 'settled orders/s',
        measured: settling('with them', full),
        reference: settling('with few', empty),
        goal: 0.9,
        rounds: 3,
      }),
    ];
  },
};
