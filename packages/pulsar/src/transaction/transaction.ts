import { PulsarError } from '../errors/pulsar-error.ts';
import type { Coordinator, TransactionBits } from './coordinator.ts';
import type { Transaction, TransactionScope, TransactionState } from './port.ts';
import { attachScope } from './scope.ts';

/** How much earlier than the time-out an outcome must be known to be sure that the time-out had no part in it, in milliseconds. */
const CLOCK_MARGIN_MS = 1_000;

/** Options of {@link createTransaction}. */
export interface TransactionOptions {
  readonly coordinator: Coordinator;
  readonly bits: TransactionBits;
  /** In milliseconds. */
  readonly timeoutMs: number;
  /** When it was asked for, on the clock of `performance.now()`. */
  readonly begunAt: number;
  /** Called once it is over, however it ended. */
  readonly onEnd: () => void;
}

/** A transaction and the inner end of it. */
export interface OwnedTransaction {
  readonly transaction: Transaction;
  /** Stops its timer: the client closes. */
  forget(): void;
}

function stateError(id: string, state: TransactionState, wanted: string): PulsarError {
  return new PulsarError('TRANSACTION_STATE', `transaction ${id} is ${state}: it cannot be ${wanted}`);
}

/** A transaction that a coordinator has begun. */
export function createTransaction(options: TransactionOptions): OwnedTransaction {
  const { coordinator, bits, timeoutMs, begunAt, onEnd } = options;
  const id = `(${bits.mostBits},${bits.leastBits})`;
  const registered = new Map<string, Promise<void> | 'done'>();
  const operations = new Set<Promise<unknown>>();
  const abortListeners: (() => void)[] = [];
  let failure: { readonly error: unknown } | undefined;
  let state: TransactionState = 'open';
  let committing: Promise<void> | undefined;
  let aborting: Promise<void> | undefined;
  const timer = setTimeout(timeOut, Math.max(0, timeoutMs - (performance.now() - begunAt)));
  timer.unref();

  function finish(how: TransactionState): void {
    state = how;
    clearTimeout(timer);
    onEnd();
    if (how === 'aborted' || how === 'timed_out') for (const listener of abortListeners.splice(0)) listener();
  }

  function timeOut(): void {
    if (state === 'open') finish('timed_out');
  }

  /** Tells the coordinator of something once; who comes meanwhile waits for the same answer. */
  function once(key: string, register: () => Promise<void>): Promise<void> | undefined {
    const known = registered.get(key);
    if (known !== undefined) return known === 'done' ? undefined : known;
    const registering = register().then(
      () => void registered.set(key, 'done'),
      (error: unknown) => {
        registered.delete(key);
        throw error;
      },
    );
    registered.set(key, registering);
    return registering;
  }

  const scope: TransactionScope = {
    ...bits,
    addTopic: (topic) => once(topic, () => coordinator.addTopic(bits, topic)),
    addSubscription: (topic, subscription) =>
      once(`${topic}\n${subscription}`, () => coordinator.addSubscription(bits, topic, subscription)),
    track(operation) {
      operations.add(operation);
      operation.then(
        () => operations.delete(operation),
        (error: unknown) => {
          operations.delete(operation);
          failure ??= { error };
        },
      );
      return operation;
    },
    onAborted: (listener) => void abortListeners.push(listener),
  };

  async function settled(): Promise<void> {
    while (operations.size > 0) await Promise.allSettled(operations);
  }

  async function commitAll(): Promise<void> {
    await settled();
    if (failure !== undefined) {
      aborting = abortAll();
      await aborting;
      throw failure.error;
    }
    const outcome = await coordinator.end(bits, 'commit').catch(fail);
    // Nobody else ends it, and it cannot have timed out yet: the attempt that was lost has committed it.
    if (outcome === 'gone' && performance.now() - begunAt > timeoutMs - CLOCK_MARGIN_MS) {
      const unknown = `the connection was lost while transaction ${id} was committed, and it is gone since: committed or timed out`;
      fail(new PulsarError('TRANSACTION_NOT_FOUND', unknown, { command: 'END_TXN' }));
    }
    finish('committed');
  }

  async function abortAll(): Promise<void> {
    state = 'aborting';
    await settled();
    await coordinator.end(bits, 'abort').catch(fail);
    finish('aborted');
  }

  function fail(error: unknown): never {
    finish('error');
    throw error;
  }

  async function commit(): Promise<void> {
    if (committing !== undefined && state !== 'aborted') return committing;
    if (state !== 'open') throw stateError(id, state, 'committed');
    state = 'committing';
    committing = commitAll();
    return committing;
  }

  async function abort(): Promise<void> {
    if (aborting !== undefined) return aborting;
    if (state !== 'open') throw stateError(id, state, 'aborted');
    aborting = abortAll();
    return aborting;
  }

  const transaction: Transaction = {
    id,
    get state() {
      return state;
    },
    commit,
    abort,
    [Symbol.asyncDispose]: async () => {
      if (state === 'open') await abort();
    },
  };
  attachScope(transaction, scope);
  return { transaction, forget: () => clearTimeout(timer) };
}
