import { createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { systemClock } from '@paystream/core';
import { DeliveryState, LogService, NotificationService } from '@paystream/core/contracts';
import { createBookReader, faultsIn } from '../../examples/stack/src/load/books.ts';
import { createStackProcess, type StackProcess } from '../../examples/stack/test/stack-process.ts';
import { createLoadClient, type LoadClient } from './load.ts';
import { encodedRequests } from './orders.ts';

/** A whole stack in a process of its own, whose orders are followed to their end. */
export interface MeasuredStack extends AsyncDisposable {
  /** Places orders and waits until everything that follows from them is stored. Gives the milliseconds from the first request. */
  settle(orders: number, inFlight: number): Promise<number>;
  /** Ends it as it is ended in service. */
  stop(): Promise<void>;
  /** Throws if the books do not balance, or anything was done other than once. */
  verify(): Promise<void>;
}

const lookEveryMs = 40;
/** Longer than any gateway here takes to answer. */
const quietMs = 2_500;
const patienceMs = 120_000;
const entriesKnownFrom = 100;

interface Stored {
  readonly deliveries: number;
  readonly entries: number;
}

function reader(transport: Transport): () => Promise<Stored> {
  const notifications = createClient(NotificationService, transport);
  const logs = createClient(LogService, transport);
  return async () => {
    const [sent, stored] = await Promise.all([notifications.countDeliveries({}), logs.countLogEntries({})]);
    const delivered = sent.counts.filter(({ state }) => state === DeliveryState.DELIVERED);
    return {
      deliveries: delivered.reduce((sum, row) => sum + Number(row.count), 0),
      entries: stored.counts.reduce((sum, row) => sum + Number(row.count), 0),
    };
  };
}

async function quiet(read: () => Promise<Stored>): Promise<Stored> {
  for (let before = await read(); ; ) {
    await systemClock.sleep(quietMs);
    const now = await read();
    if (now.deliveries === before.deliveries && now.entries === before.entries) return now;
    before = now;
  }
}

async function measured(process: StackProcess, client: LoadClient): Promise<MeasuredStack> {
  const read = reader(createGrpcTransport({ baseUrl: `http://${process.grpc}` }));
  // How much of everything one order leaves behind, told by the first ones.
  const before = await read();
  await client.place(encodedRequests(entriesKnownFrom), 16);
  let stored = await quiet(read);
  const perOrder: Stored = {
    deliveries: (stored.deliveries - before.deliveries) / entriesKnownFrom,
    entries: (stored.entries - before.entries) / entriesKnownFrom,
  };

  return {
    settle: async (orders, inFlight) => {
      const requests = encodedRequests(orders);
      const expected: Stored = {
        deliveries: stored.deliveries + orders * perOrder.deliveries,
        entries: stored.entries + orders * perOrder.entries,
      };
      const start = systemClock.monotonic();
      await client.place(requests, inFlight);
      for (;;) {
        stored = await read();
        const elapsedMs = systemClock.monotonic() - start;
        if (stored.deliveries >= expected.deliveries && stored.entries >= expected.entries) return elapsedMs;
        if (elapsedMs > patienceMs) throw new Error(`not settled: ${JSON.stringify({ stored, expected })}\n${process.output}`);
        await systemClock.sleep(lookEveryMs);
      }
    },
    verify: async () => {
      const faults = faultsIn(await createBookReader({ target: process.grpc, clock: systemClock }).settled(10_000));
      if (faults.length > 0) throw new Error(`the books are wrong:\n${faults.join('\n')}`);
    },
    stop: async () => {
      await process.stop();
    },
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await process[Symbol.asyncDispose]();
    },
  };
}

/** Starts a stack on a folder of its own. `settings` are those of `.env.example`. */
export async function startMeasuredStack(settings: Readonly<Record<string, string>>): Promise<MeasuredStack> {
  const process = await createStackProcess(settings);
  await process.start();
  return measured(process, createLoadClient(process.grpc));
}
