import { createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { systemClock } from '@paystream/core';
import { DeliveryState, LogService, NotificationService } from '@paystream/core/contracts';
import { createBookReader, faultsIn } from '../../examples/stack/src/load/books.ts';
import type { Places } from '../../examples/stack/src/load/options.ts';
import { createStackProcess } from '../../examples/stack/test/stack-process.ts';
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

/** A stack that runs somewhere, and how it is ended. */
export interface StackToMeasure extends AsyncDisposable {
  /** Where it takes orders: `127.0.0.1:50051`. */
  readonly target: string;
  /** Where else it takes orders, in turn with that. Default: nowhere. */
  readonly moreTargets?: readonly string[];
  /** Services that listen elsewhere. */
  readonly at?: Places;
  /** What it has printed. */
  output(): string;
  stop(): Promise<unknown>;
}

function reader({ target, at = {} }: StackToMeasure): () => Promise<Stored> {
  const transport = (place = target): Transport => createGrpcTransport({ baseUrl: `http://${place}` });
  const notifications = createClient(NotificationService, transport(at.notify));
  const logs = createClient(LogService, transport(at.logger));
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

/** Follows the orders of a stack that runs already. It is ended with what this gives. */
export async function measureStack(stack: StackToMeasure): Promise<MeasuredStack> {
  const client: LoadClient = createLoadClient(stack.target, ...(stack.moreTargets ?? []));
  const read = reader(stack);
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
        if (elapsedMs > patienceMs) throw new Error(`not settled: ${JSON.stringify({ stored, expected })}\n${stack.output()}`);
        await systemClock.sleep(lookEveryMs);
      }
    },
    verify: async () => {
      const faults = faultsIn(await createBookReader({ target: stack.target, at: stack.at ?? {}, clock: systemClock }).settled(10_000));
      if (faults.length > 0) throw new Error(`the books are wrong:\n${faults.join('\n')}`);
    },
    stop: async () => {
      await stack.stop();
    },
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await stack[Symbol.asyncDispose]();
    },
  };
}

/** Starts a stack on a folder of its own. `settings` are those of `.env.example`. */
export async function startMeasuredStack(settings: Readonly<Record<string, string>>): Promise<MeasuredStack> {
  const stack = await createStackProcess(settings);
  await stack.start();
  return measureStack({
    target: stack.grpc,
    output: () => stack.output,
    stop: () => stack.stop(),
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  });
}
