import type { ClientContext } from '../client/context.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { assignTopic, type Coordinator, createCoordinator } from './coordinator.ts';
import type { Transaction } from './port.ts';
import { createTransaction, type OwnedTransaction } from './transaction.ts';

/** Options of a new transaction. */
export interface NewTransactionOptions {
  /** After so many milliseconds the coordinator aborts it if it is still open. Default: 60,000. */
  readonly timeoutMs?: number;
}

/** Begins the transactions of one client. */
export interface Transactions {
  begin(options?: NewTransactionOptions): Promise<Transaction>;
}

const DEFAULT_TIMEOUT_MS = 60_000;
// Between attempts to find a coordinator that moves, in milliseconds.
const backoff = { initialMs: 100, maxMs: 6_000 } as const;

/** Transactions over the cluster's coordinators, taken in turn. They are looked up with the first transaction. */
export function createTransactions(context: ClientContext): Transactions {
  const closing = new AbortController();
  const open = new Set<OwnedTransaction>();
  let coordinators: Promise<readonly Coordinator[]> | undefined;
  let next = 0;

  context.onClose(async () => {
    closing.abort(new PulsarError('ALREADY_CLOSED', 'the client is closed'));
    for (const owned of open) owned.forget();
    open.clear();
  });

  async function findCoordinators(): Promise<readonly Coordinator[]> {
    const count = await context.lookup.partitions(assignTopic, { create: false }).catch((error: unknown) => {
      if (PulsarError.is(error) && error.code === 'TOPIC_NOT_FOUND') return 0;
      throw error;
    });
    if (count === 0) {
      throw new PulsarError(
        'UNSUPPORTED',
        'the cluster runs no transaction coordinator: set transactionCoordinatorEnabled=true in its brokers',
      );
    }
    const { operationTimeoutMs, emit } = context;
    const retry = { operationTimeoutMs, backoff, emit, signal: closing.signal };
    return Array.from({ length: count }, (_, index) => createCoordinator({ context, index, retry }));
  }

  function known(): Promise<readonly Coordinator[]> {
    if (coordinators === undefined) {
      const finding = findCoordinators();
      coordinators = finding;
      finding.catch(() => {
        coordinators = undefined;
      });
    }
    return coordinators;
  }

  async function begin({ timeoutMs = DEFAULT_TIMEOUT_MS }: NewTransactionOptions = {}): Promise<Transaction> {
    if (!context.transactionsEnabled) {
      throw new PulsarError('INVALID_ARGUMENT', 'this client takes no part in transactions: create it with { transactions: true }');
    }
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1) {
      throw new PulsarError('INVALID_ARGUMENT', `timeoutMs is ${timeoutMs}: it must be a whole number of at least 1`);
    }
    if (closing.signal.aborted) throw closing.signal.reason;
    const all = await known();
    const coordinator = all[next++ % all.length];
    if (coordinator === undefined) throw new PulsarError('UNSUPPORTED', 'the cluster runs no transaction coordinator');
    const begunAt = performance.now();
    const bits = await coordinator.begin(timeoutMs);
    const owned = createTransaction({ coordinator, bits, timeoutMs, begunAt, onEnd: () => open.delete(owned) });
    open.add(owned);
    return owned.transaction;
  }

  return { begin };
}
