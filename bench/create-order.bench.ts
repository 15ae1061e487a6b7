import { join } from 'node:path';
import { type Benchmark, compare, type Finding, perSecond } from './compare.ts';
import { startChild } from './support/child.ts';
import { createLoadClient } from './support/load.ts';
import { encodedRequests } from './support/orders.ts';

const module = (name: string): string => join(import.meta.dirname, 'support', name);
const perRound = 6_000;

export const benchmark: Benchmark = {
  name: 'create-order',
  question: 'How much of what a bare gRPC server answers does CreateOrder answer, each order committed and synced to disk?',
  run: async () => {
    await using orders = await startChild<string>(module('order-server.ts'));
    using placing = createLoadClient(orders.said);
    const answer = await placing.place(encodedRequests(1), 1);
    await using echo = await startChild<string>(module('echo-server.ts'), [answer.toString('base64')]);
    using echoing = createLoadClient(echo.said);

    const findings: Finding[] = [];
    for (const inFlight of [64, 256]) {
      const round = (client: typeof placing) => async (): Promise<number> => {
        const requests = encodedRequests(perRound);
        return perSecond(perRound, () => client.place(requests, inFlight));
      };
      findings.push(
        await compare({
          case: `${inFlight} in flight`,
          unit: 'calls/s',
          measured: { name: 'CreateOrder', round: round(placing) },
          reference: { name: 'bare grpc-js echo of the same bytes', round: round(echoing) },
          goal: 0.5,
        }),
      );
    }
    return findings;
  },
};
