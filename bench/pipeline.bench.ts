import { join } from 'node:path';
import { type Benchmark, type Contestant, findingOf, perSecond, takeTurns } from './compare.ts';
import { startChild } from './support/child.ts';
import { createLoadClient } from './support/load.ts';
import { encodedRequests } from './support/orders.ts';
import { type MeasuredStack, startMeasuredStack } from './support/settled.ts';

const orders = 5_000;
const inFlight = 256;
const slowMs = 2_000;
const rounds = 3;

/** The last order's answer comes as much later as its gateway takes: that is no work, and is not counted. */
function settling(name: string, stack: MeasuredStack, latencyMs: number): Contestant {
  return { name, round: async () => orders / (((await stack.settle(orders, inFlight)) - latencyMs) / 1_000) };
}

export const benchmark: Benchmark = {
  name: 'pipeline',
  question: 'How many orders a second does one process settle, every posting, notification and log line stored?',
  run: async () => {
    await using quick = await startMeasuredStack({ PAYSTREAM_GATEWAY_LATENCY_MS: '0' });
    await using slow = await startMeasuredStack({ PAYSTREAM_GATEWAY_LATENCY_MS: `${slowMs}` });
    await using echo = await startChild<string>(join(import.meta.dirname, 'support', 'echo-server.ts'), ['']);
    using echoing = createLoadClient(echo.said);
    const [atOnce, late, echoed] = await takeTurns(
      [
        settling('gateway answers at once', quick, 0),
        settling('gateway takes 2 s', slow, slowMs),
        {
          name: 'bare grpc-js echo of the requests',
          round: () => perSecond(orders, () => echoing.place(encodedRequests(orders), inFlight)),
        },
      ],
      rounds,
    );
    await quick.verify();
    await slow.verify();
    if (atOnce === undefined || late === undefined) throw new Error('nothing was measured');
    const unit = 'settled orders/s';
    return [
      findingOf({ case: 'whole stack in one process', unit, measured: atOnce, goal: 2_000 }),
      findingOf({ case: 'the same beside an echo', unit, measured: atOnce, reference: echoed }),
      findingOf({ case: 'a slow gateway', unit, measured: late, reference: atOnce, goal: 0.9 }),
    ];
  },
};
