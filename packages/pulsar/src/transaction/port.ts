/** Where a transaction stands. `error`: the coordinator does not know it, or an attempt to end it had an unknown outcome. */
export type TransactionState = 'open' | 'committing' | 'committed' | 'aborting' | 'aborted' | 'timed_out' | 'error';

/** Messages and acknowledgements that take effect together, or not at all. */
export interface Transaction extends AsyncDisposable {
  /** `(most bits,least bits)`, as the broker's admin API writes it. */
  readonly id: string;
  /** Where it stands now. */
  readonly state: TransactionState;
  /**
   * Waits for every send and acknowledgement that was begun in it, then makes them take effect. If one of them failed, the
   * transaction is aborted and this rejects with that failure. Rejects with `TRANSACTION_STATE` if it is not open any more,
   * and `TRANSACTION_NOT_FOUND` if the coordinator has forgotten it. A `NOT_CONNECTED` or `TIMEOUT` here means that the
   * outcome is unknown: the protocol has no way to ask.
   */
  commit(): Promise<void>;
  /** Drops it: its messages are never seen, its acknowledged messages are delivered again. Rejects as {@link commit} does. */
  abort(): Promise<void>;
  /** Aborts it if it is still open: `await using` leaves no transaction behind when something throws. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What producers and consumers of this client do with a transaction. */
export interface TransactionScope {
  readonly mostBits: bigint;
  readonly leastBits: bigint;
  /**
   * To be called before a message is sent to a topic (a partition by its own name): `undefined` if the coordinator knows
   * already, else a promise to wait for. Concurrent calls share one request. Rejects with what the coordinator answered.
   */
  addTopic(topic: string): Promise<void> | undefined;
  /** The same before an acknowledgement. */
  addSubscription(topic: string, subscription: string): Promise<void> | undefined;
  /** Makes the end of the transaction wait for a send or acknowledgement, and fail if it fails. Returns the promise given. */
  track<T>(operation: Promise<T>): Promise<T>;
  /** Called once the transaction is aborted or has timed out: what was acknowledged in it is to be had again. */
  onAborted(listener: () => void): void;
}
