import { create } from '@bufbuild/protobuf';
import type { ClientContext } from '../client/context.ts';
import type { Connection } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { type BaseCommand, BaseCommandSchema, TxnAction, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { type RetryOptions, untilItWorks } from '../lookup/retry.ts';

/** The topic whose partitions stand for the coordinators: whoever serves partition 3 runs coordinator 3. */
export const assignTopic: string = 'persistent://pulsar/system/transaction_coordinator_assign';

/** From this version of the protocol on a client says that it is there before it asks for anything. */
const CONNECT_VERSION = 19;

/** The number of a transaction; its upper half is the number of its coordinator. */
export interface TransactionBits {
  readonly mostBits: bigint;
  readonly leastBits: bigint;
}

/**
 * How an attempt to end a transaction went: `ended` as asked, or `gone`: an attempt was lost on its way, and the next one found
 * that the coordinator does not know the transaction any more.
 */
export type EndOutcome = 'ended' | 'gone';

/** One coordinator of the cluster. Every call retries with backoff what may pass, and finds the coordinator anew where it moved, until the operation time-out. */
export interface Coordinator {
  begin(timeoutMs: number): Promise<TransactionBits>;
  addTopic(transaction: TransactionBits, topic: string): Promise<void>;
  addSubscription(transaction: TransactionBits, topic: string, subscription: string): Promise<void>;
  end(transaction: TransactionBits, action: 'commit' | 'abort'): Promise<EndOutcome>;
}

/** Options of {@link createCoordinator}. */
export interface CoordinatorOptions {
  readonly context: Pick<ClientContext, 'pool' | 'lookup'>;
  /** Its number. */
  readonly index: number;
  readonly retry: RetryOptions;
}

type CommandFields = Omit<Parameters<typeof create<typeof BaseCommandSchema>>[1] & object, '$typeName'>;

function mayHaveArrived(error: unknown): boolean {
  return PulsarError.is(error) && (error.code === 'NOT_CONNECTED' || error.code === 'TIMEOUT');
}

/** The client's side of one coordinator. Connects when first needed, and again after a connection is lost. */
export function createCoordinator({ context, index, retry }: CoordinatorOptions): Coordinator {
  const { pool, lookup } = context;
  const topic = `${assignTopic}-partition-${index}`;
  const slot = pool.newSlot();
  const tcId = BigInt(index);
  let session: Promise<Connection> | undefined;
  let connected: Connection | undefined;

  async function open(): Promise<Connection> {
    const connection = await pool.connect(await lookup.topic(topic), slot);
    if (connection.protocolVersion >= CONNECT_VERSION) {
      const requestId = connection.nextRequestId();
      const tcClientConnectRequest = { requestId, tcId };
      await connection.request(requestId, create(BaseCommandSchema, { type: Type.TC_CLIENT_CONNECT_REQUEST, tcClientConnectRequest }));
    }
    connected = connection;
    return connection;
  }

  /** A connection to whoever runs the coordinator now. */
  function connect(): Promise<Connection> {
    if (connected?.closed) forget();
    if (session === undefined) {
      const opening = open();
      session = opening;
      opening.catch(() => {
        if (session === opening) session = undefined;
      });
    }
    return session;
  }

  function forget(): void {
    session = undefined;
    connected = undefined;
  }

  async function ask(leftMs: number, make: (requestId: bigint) => CommandFields): Promise<BaseCommand> {
    const connection = await connect();
    const requestId = connection.nextRequestId();
    try {
      return await connection.request(requestId, create(BaseCommandSchema, make(requestId)), { timeoutMs: leftMs });
    } catch (error) {
      // It may run elsewhere by now.
      if (PulsarError.is(error) && error.retryable && connected === connection) forget();
      throw error;
    }
  }

  function call(command: string, make: (requestId: bigint) => CommandFields): Promise<BaseCommand> {
    return untilItWorks(retry, { command, name: topic }, (leftMs) => ask(leftMs, make));
  }

  const bitsOf = ({ mostBits, leastBits }: TransactionBits): { txnidMostBits: bigint; txnidLeastBits: bigint } => ({
    txnidMostBits: mostBits,
    txnidLeastBits: leastBits,
  });

  return {
    async begin(timeoutMs) {
      const answer = await call('NEW_TXN', (requestId) => ({
        type: Type.NEW_TXN,
        newTxn: { requestId, tcId, txnTtlSeconds: BigInt(timeoutMs) },
      }));
      const { txnidMostBits = 0n, txnidLeastBits = 0n } = answer.newTxnResponse ?? {};
      return { mostBits: txnidMostBits, leastBits: txnidLeastBits };
    },

    async addTopic(transaction, name) {
      await call('ADD_PARTITION_TO_TXN', (requestId) => ({
        type: Type.ADD_PARTITION_TO_TXN,
        addPartitionToTxn: { requestId, ...bitsOf(transaction), partitions: [name] },
      }));
    },

    async addSubscription(transaction, name, subscription) {
      await call('ADD_SUBSCRIPTION_TO_TXN', (requestId) => ({
        type: Type.ADD_SUBSCRIPTION_TO_TXN,
        addSubscriptionToTxn: { requestId, ...bitsOf(transaction), subscription: [{ topic: name, subscription }] },
      }));
    },

    async end(transaction, action) {
      const txnAction = action === 'commit' ? TxnAction.COMMIT : TxnAction.ABORT;
      let lost = false;
      return untilItWorks(retry, { command: 'END_TXN', name: topic }, async (leftMs) => {
        await connect();
        try {
          await ask(leftMs, (requestId) => ({ type: Type.END_TXN, endTxn: { requestId, ...bitsOf(transaction), txnAction } }));
          return 'ended';
        } catch (error) {
          if (lost && PulsarError.is(error) && error.code === 'TRANSACTION_NOT_FOUND') return 'gone';
          lost ||= mayHaveArrived(error);
          throw error;
        }
      });
    },
  };
}
