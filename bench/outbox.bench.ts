import { create } from '@bufbuild/protobuf';
import { type Broker, createConsumer, defineTopic, protobuf, systemClock } from '@paystream/core';
import { LogEntrySchema } from '@paystream/core/contracts';
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import { createMysqlDatabase } from '@paystream/core/mysql';
import { createPulsarBroker } from '@paystream/core/pulsar';
import { createOutbox, type Database, outboxEvent } from '@paystream/core/sql';
import { startPulsar } from '../tools/pulsar/broker.ts';
import { type Benchmark, type Finding, findingOf, perSecond, takeTurns } from './compare.ts';
import { temporaryFolder } from './support/folder.ts';
import { sqlOption, startSqlServer } from './support/sql-server.ts';

const inFlight = 64;
const atFullLoad = 6_000;
const keys = 100;
const secondsAtHalf = 5;
const tickMs = 5;
const rounds = 3;
const goalMs = 50;

const topic = defineTopic({ name: 'outbox-lag', codec: protobuf(LogEntrySchema), key: (entry) => entry.orderId });

interface Engine {
  readonly name: string;
  readonly database: Database;
  readonly broker: Broker;
}

/** What one pair of engines does: as fast as it goes, then at half of that rate. */
async function measure({ name, database, broker }: Engine): Promise<Finding> {
  await using running = new AsyncDisposableStack();
  const outbox = await createOutbox({ database, broker });
  running.defer(() => outbox.close());
  const committed: number[] = [];
  const arrived: number[] = [];
  const consumer = await createConsumer(broker, topic, {
    subscription: 'outbox-lag',
    handleBatch: async (batch) => {
      const now = performance.now();
      for (const { value } of batch) arrived[Number(value.message)] ??= now;
    },
  });
  running.defer(() => consumer.close());

  let numbers = 0;
  const publish = async (): Promise<void> => {
    const n = numbers++;
    await database.transaction((tx) =>
      outbox.add(tx, [outboxEvent(topic, create(LogEntrySchema, { orderId: `order-${n % keys}`, message: `${n}` }))]),
    );
    committed[n] = performance.now();
  };
  const arrivedAll = async (): Promise<void> => {
    for (let n = 0; n < numbers; n++) while (arrived[n] === undefined) await systemClock.sleep(5);
  };
  const full = (): Promise<void> => {
    const end = numbers + atFullLoad;
    const caller = async (): Promise<void> => {
      while (numbers < end) await publish();
    };
    return Promise.all(Array.from({ length: inFlight }, caller)).then(arrivedAll);
  };

  const [capacity] = await takeTurns([{ name: 'at full load', round: () => perSecond(atFullLoad, full) }], 3);
  if (capacity === undefined) throw new Error('nothing was measured');
  const rate = capacity.median / 2;
  const lagAtHalf = async (): Promise<number> => {
    const first = numbers;
    const started = performance.now();
    const open: Promise<void>[] = [];
    for (let due = 0; due < rate * secondsAtHalf; ) {
      due = Math.min(rate * secondsAtHalf, ((performance.now() - started) / 1_000) * rate);
      while (numbers - first < due) open.push(publish());
      await systemClock.sleep(tickMs);
    }
    await Promise.all(open);
    await arrivedAll();
    const lags = committed.slice(first).map((at, index) => Math.max(0, (arrived[first + index] ?? Number.NaN) - at));
    lags.sort((a, b) => a - b);
    return lags[Math.floor(lags.length * 0.99)] ?? Number.NaN;
  };
  const [lag] = await takeTurns([{ name: `at ${Math.round(rate)} transactions/s`, round: lagAtHalf }], rounds);
  if (lag === undefined) throw new Error('nothing was measured');
  return findingOf({ case: name, unit: 'ms, 99th percentile', measured: lag, goal: goalMs, lowerIsBetter: true });
}

export const benchmark: Benchmark = {
  name: 'outbox',
  question: 'How long after its commit does an event reach its consumer, at half of the rate that the outbox can do?',
  options: sqlOption,
  run: async (options) => {
    const findings: Finding[] = [];
    {
      await using running = new AsyncDisposableStack();
      const folder = running.use(await temporaryFolder());
      const broker = running.use(await createEmbeddedBroker({ path: folder.path('broker.sqlite') }));
      const database = await createSqliteDatabase({ path: folder.path('outbox.sqlite') });
      running.defer(() => database.close());
      findings.push(await measure({ name: 'SQLite, embedded broker', database, broker }));
    }
    {
      await using running = new AsyncDisposableStack();
      const pulsar = await startPulsar();
      running.defer(() => pulsar.stop());
      const server = running.use(await startSqlServer(options));
      const broker = createPulsarBroker({ serviceUrl: pulsar.serviceUrl });
      running.defer(() => broker.close());
      const database = createMysqlDatabase({ url: server.url });
      running.defer(() => database.close());
      findings.push(await measure({ name: `${server.title}, Pulsar`, database, broker }));
    }
    return findings;
  },
};
