import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@paystream/core';
import { readConfig } from '../examples/stack/src/config/config.ts';
import { launchServices } from '../examples/stack/src/launch/launcher.ts';
import { wholeStack } from '../examples/stack/src/service-names.ts';
import { startPulsar } from '../tools/pulsar/broker.ts';
import { type Benchmark, type Contestant, type Finding, findingOf, perSecond, takeTurns } from './compare.ts';
import { startChild } from './support/child.ts';
import { createLoadClient } from './support/load.ts';
import { encodedRequests } from './support/orders.ts';
import { type MeasuredStack, measureStack, startMeasuredStack } from './support/settled.ts';
import { sqlOption, startSqlServer } from './support/sql-server.ts';

const orders = 3_000;
const inFlight = 256;
const rounds = 5;
/** The broker compiles itself meanwhile, which it has done in service. */
const warmup = 3;
const firstPort = 23_000;

function settling(stack: MeasuredStack): Contestant {
  return { name: 'settled', round: async () => orders / ((await stack.settle(orders, inFlight)) / 1_000) };
}

/** Every service in so many processes of its own. */
async function startProcesses(settings: Readonly<Record<string, string>>, count: number): Promise<MeasuredStack> {
  const directory = await mkdtemp(join(tmpdir(), 'paystream-bench-'));
  const environment = {
    ...process.env,
    ...settings,
    PAYSTREAM_DATA_DIR: directory,
    PAYSTREAM_GRPC_PORT: `${firstPort}`,
    PAYSTREAM_HTTP_PORT: `${firstPort + 100}`,
    PAYSTREAM_TABLE_PREFIX: `processes_${count}_`,
  };
  const printed: string[] = [];
  const services = await launchServices({
    config: readConfig(environment),
    environment,
    replicas: Object.fromEntries(wholeStack.map((service) => [service, count])),
    gateway: true,
    clock: systemClock,
    onLine: (name, line) => printed.push(`${name}: ${line}`),
  });
  const at = Object.fromEntries(services.processes.map(({ plan }) => [plan.service, plan.grpc]));
  const [target = '', ...moreTargets] = services.processes.filter(({ plan }) => plan.service === 'order').map(({ plan }) => plan.grpc);
  return measureStack({
    target,
    moreTargets,
    at,
    output: () => printed.slice(-50).join('\n'),
    stop: () => services.stop(),
    [Symbol.asyncDispose]: async () => {
      await services.stop();
      await rm(directory, { recursive: true, force: true });
    },
  });
}

/** How many processes each service has, one measurement after the other. */
function readCounts({ processes = '1' }: Readonly<Record<string, unknown>>): readonly number[] {
  const counts = String(processes).split(',').map(Number);
  if (counts.every((count) => Number.isInteger(count) && count >= 1 && count <= 16)) return counts;
  throw new Error(`--processes is "${String(processes)}"; it is numbers from 1 to 16, such as 1,2,4`);
}

export const benchmark: Benchmark = {
  name: 'production',
  question: 'How many orders a second are settled on a real Pulsar and database that share the machine with them?',
  options: { processes: 'how many processes of each service, one after the other: 1,2,4 (1)', ...sqlOption },
  run: async (options) => {
    const counts = readCounts(options);
    await using running = new AsyncDisposableStack();
    const broker = await startPulsar();
    running.defer(() => broker.stop());
    const database = running.use(await startSqlServer(options));
    const settings = {
      PAYSTREAM_PROFILE: 'production',
      PAYSTREAM_PULSAR_URL: broker.serviceUrl,
      PAYSTREAM_MYSQL_URL: database.url,
      PAYSTREAM_GATEWAY_LATENCY_MS: '0',
    };
    const unit = 'settled orders/s';
    await using echo = await startChild<string>(join(import.meta.dirname, 'support', 'echo-server.ts'), ['']);
    using echoing = createLoadClient(echo.said);
    const echoed: Contestant = {
      name: 'bare grpc-js echo of the requests',
      round: () => perSecond(orders, () => echoing.place(encodedRequests(orders), inFlight)),
    };
    const measure = async (name: string, stack: MeasuredStack): Promise<readonly Finding[]> => {
      const [measured, reference] = await takeTurns([settling(stack), echoed], rounds, warmup);
      await stack.verify();
      if (measured === undefined || reference === undefined) throw new Error('nothing was measured');
      const on = `${database.title}, ${name}`;
      return [
        findingOf({ case: on, unit, measured, goal: 1_000 }),
        findingOf({ case: 'the same beside an echo', unit, measured, reference }),
      ];
    };
    // One after the other: together they would share two cores, and the topics.
    const findings: Finding[] = [];
    {
      await using one = await startMeasuredStack(settings);
      findings.push(...(await measure('all services in one process', one)));
    }
    for (const count of counts) {
      await using apart = await startProcesses(settings, count);
      findings.push(...(await measure(count === 1 ? 'each service its own process' : `${count} processes of each service`, apart)));
    }
    return findings;
  },
};
