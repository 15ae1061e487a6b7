import { createConsumer } from '../consumer/create-consumer.ts';
import type { Consumer, ConsumerOptions } from '../consumer/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { parseTopicName, partitionName } from '../lookup/topic-name.ts';
import { createProducer } from '../producer/create-producer.ts';
import type { Payload } from '../producer/message.ts';
import type { ProducerOptions } from '../producer/options.ts';
import type { Producer } from '../producer/producer.ts';
import { createReader } from '../reader/create-reader.ts';
import type { Reader, ReaderOptions } from '../reader/port.ts';
import { createTableView, type TableViewOptions } from '../table-view/create-table-view.ts';
import type { TableView } from '../table-view/table-view.ts';
import type { Transaction } from '../transaction/port.ts';
import { createTransactions, type NewTransactionOptions } from '../transaction/transactions.ts';
import type { ClientContext } from './context.ts';
import { createContext } from './create-context.ts';
import type { PulsarClientOptions } from './options.ts';

/** A client of one cluster. Its producers, consumers and readers share its connections and end with it. */
export interface PulsarClient extends AsyncDisposable {
  /** Whether it is closed, or about to. */
  readonly closed: boolean;
  /** The names of a topic's partitions; of one that is not partitioned its own. */
  partitionsOf(topic: string): Promise<readonly string[]>;
  /**
   * Makes a producer. What may pass is tried again until the operation time-out; with `wait-for-exclusive` it waits, without
   * limit, until no other producer is there.
   *
   * Rejects with `INVALID_ARGUMENT`, `TOPIC_NOT_FOUND`, `TOPIC_TERMINATED`, `PRODUCER_BUSY`, `PRODUCER_FENCED`,
   * `INCOMPATIBLE_SCHEMA`, `AUTHORIZATION`, `QUOTA_EXCEEDED`, `NOT_CONNECTED`, `TIMEOUT`, `CANCELED`, `ALREADY_CLOSED`, or what
   * else the broker says.
   *
   * @example
   * ```ts
   * const producer = await client.createProducer({ topic: 'events', compression: 'zstd' });
   * await producer.send({ value: 'hello', key: 'user-7' });
   * ```
   */
  createProducer<T = Payload>(options: ProducerOptions<T>): Promise<Producer<T>>;
  /**
   * Makes a consumer of one topic, several, or all that match a pattern, each with all its partitions. What may pass is tried
   * again until the operation time-out. If one topic cannot be subscribed to, none is.
   *
   * Rejects with `INVALID_ARGUMENT`, `CONSUMER_BUSY`, `TOPIC_NOT_FOUND`, `SUBSCRIPTION_NOT_FOUND`, `INCOMPATIBLE_SCHEMA`,
   * `AUTHORIZATION`, `NOT_CONNECTED`, `TIMEOUT`, `ALREADY_CLOSED`, or what else the broker says.
   *
   * @example
   * ```ts
   * const consumer = await client.subscribe({ topic: 'events', subscription: 'audit', type: 'key_shared' });
   * for await (const message of consumer) {
   *   console.log(message.data.toString());
   *   await message.acknowledge();
   * }
   * ```
   */
  subscribe<T = Buffer>(options: ConsumerOptions<T>): Promise<Consumer<T>>;
  /**
   * Makes a reader of one topic with all its partitions, which leaves no subscription behind. Rejects as `subscribe` does.
   *
   * @example
   * ```ts
   * const reader = await client.createReader({ topic: 'events', start: 'earliest' });
   * while (await reader.hasMessageAvailable()) console.log((await reader.readNext()).data.toString());
   * ```
   */
  createReader<T = Buffer>(options: ReaderOptions<T>): Promise<Reader<T>>;
  /**
   * Reads the last value of every key of a topic, and keeps up with it. Resolves once everything is read that the topic holds
   * now. Rejects as `createReader` does.
   *
   * @example
   * ```ts no-run
   * await using prices = await client.createTableView({ topic: 'prices', schema: Schema.double() });
   * prices.get('tea');
   * ```
   */
  createTableView<T = Buffer>(options: TableViewOptions<T>): Promise<TableView<T>>;
  /**
   * Begins a transaction: messages sent and acknowledged in it take effect together. Needs a client made with
   * `transactions: true`, and brokers with `transactionCoordinatorEnabled=true`.
   *
   * Rejects with `INVALID_ARGUMENT`, `UNSUPPORTED`, `UNAVAILABLE`, `NOT_CONNECTED`, `TIMEOUT` or `ALREADY_CLOSED`.
   *
   * @example
   * ```ts no-run
   * await using transaction = await client.newTransaction({ timeoutMs: 30_000 });
   * await producer.send({ value: result, transaction });
   * await message.acknowledge({ transaction });
   * await transaction.commit();
   * ```
   */
  newTransaction(options?: NewTransactionOptions): Promise<Transaction>;
  /** Closes all producers, consumers and readers, and every connection. Idempotent; whatever waits is settled with `ALREADY_CLOSED`. */
  close(): Promise<void>;
}

/**
 * A client for the cluster at `serviceUrl`. It connects when first needed. Throws `INVALID_ARGUMENT` for options that make no
 * sense.
 *
 * @example
 * ```ts
 * const client = createPulsarClient({ serviceUrl: 'pulsar://localhost:6650' });
 * ```
 */
export function createPulsarClient(options: PulsarClientOptions): PulsarClient {
  const owned = createContext(options);
  const transactions = createTransactions(owned.context);

  /** The context, as long as the client is open. */
  function open(): ClientContext {
    if (owned.closed) throw new PulsarError('ALREADY_CLOSED', 'the client is closed');
    return owned.context;
  }

  async function partitionsOf(topic: string): Promise<readonly string[]> {
    const count = await open().lookup.partitions(topic);
    if (count === 0) return [parseTopicName(topic).full];
    return Array.from({ length: count }, (_, partition) => partitionName(topic, partition));
  }

  return {
    get closed() {
      return owned.closed;
    },
    partitionsOf,
    createProducer: async (options) => createProducer(open(), options),
    createReader: async (options) => createReader(open(), options),
    subscribe: async (options) => createConsumer(open(), options),
    createTableView: async (options) => createTableView(open(), options),
    newTransaction: (options) => transactions.begin(options),
    close: () => owned.close(),
    [Symbol.asyncDispose]: () => owned.close(),
  };
}
