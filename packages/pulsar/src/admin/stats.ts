// What the admin API says of topics, as far as it is often needed. The API sends more fields than are named here.

/** A producer of a topic. */
export interface PublisherStats {
  readonly producerId: number;
  readonly producerName?: string;
  readonly accessMode?: string;
  readonly msgRateIn: number;
  readonly address?: string;
  readonly clientVersion?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A consumer of a subscription. */
export interface ConsumerStats {
  readonly consumerName: string;
  /** Below 0: the broker sent whole batches beyond what was allowed. */
  readonly availablePermits: number;
  readonly unackedMessages: number;
  readonly msgOutCounter: number;
  readonly blockedConsumerOnUnackedMsgs: boolean;
  readonly address?: string;
  readonly clientVersion?: string;
  /** The hash ranges of a key-shared consumer. */
  readonly keyHashRanges?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A subscription of a topic. */
export interface SubscriptionStats {
  /** Entries that are not acknowledged yet; a batch is one. */
  readonly msgBacklog: number;
  readonly msgOutCounter: number;
  readonly msgDelayed: number;
  readonly unackedMessages: number;
  /** `Exclusive`, `Shared`, `Failover`, `Key_Shared`; empty if nobody has subscribed since the broker loaded the topic. */
  readonly type: string;
  readonly consumers: readonly ConsumerStats[];
  readonly activeConsumerName?: string;
  readonly isDurable: boolean;
  readonly subscriptionProperties?: Readonly<Record<string, string>>;
}

/** A topic that is not partitioned, or one partition. */
export interface TopicStats {
  readonly msgInCounter: number;
  readonly bytesInCounter: number;
  readonly msgOutCounter: number;
  readonly bytesOutCounter: number;
  readonly storageSize: number;
  readonly backlogSize: number;
  /** `Enabled` or `Disabled`. */
  readonly deduplicationStatus?: string;
  readonly publishers: readonly PublisherStats[];
  readonly subscriptions: Readonly<Record<string, SubscriptionStats>>;
}

/** A partitioned topic: the sums, and its partitions by full name. */
export interface PartitionedTopicStats extends TopicStats {
  readonly partitions: Readonly<Record<string, TopicStats>>;
}

/** What the broker stores of a topic. */
export interface TopicInternalStats {
  readonly entriesAddedCounter: number;
  readonly numberOfEntries: number;
  readonly totalSize: number;
  /** `ledger:entry` of the last entry that is stored for sure. */
  readonly lastConfirmedEntry: string;
  readonly state: string;
  readonly ledgers: readonly { readonly ledgerId: number; readonly entries: number; readonly size: number }[];
  readonly cursors: Readonly<Record<string, { readonly markDeletePosition: string; readonly readPosition: string }>>;
  readonly compactedLedger?: { readonly ledgerId: number; readonly entries: number; readonly size: number };
}

/** A place in a topic as the admin API writes it. */
export interface AdminMessageId {
  readonly ledgerId: number;
  readonly entryId: number;
  readonly partitionIndex?: number;
}
