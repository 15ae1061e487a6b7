import type { BrokerAddress } from '../connection/port.ts';

/** The schema of a topic as the broker keeps it. */
export interface BrokerSchema {
  /** The protocol's number of the type: 2 for JSON. */
  readonly type: number;
  readonly name: string;
  readonly data: Uint8Array;
  readonly properties: Readonly<Record<string, string>>;
  /** Opaque bytes. */
  readonly version: Uint8Array;
}

/** Which topics of a namespace. */
export type TopicDomain = 'persistent' | 'non-persistent' | 'all';

/** What the client asks brokers about topics. Every call retries what may pass, with backoff, until the operation time-out. */
export interface Lookup {
  /** Where a topic (a partition by its own name) is served. Rejects with `TOPIC_NOT_FOUND` and the like at once. */
  topic(topic: string): Promise<BrokerAddress>;
  /** The number of partitions; 0 for a topic that is not partitioned. With `create: false` a missing topic rejects with `TOPIC_NOT_FOUND`. Default: created as the broker's policy says. */
  partitions(topic: string, options?: { readonly create?: boolean }): Promise<number>;
  /** The topics of `tenant/namespace` that match, each partition by itself; `undefined` if nothing has changed since `hash`. */
  topicsOf(
    namespace: string,
    domain: TopicDomain,
    pattern?: { readonly text: string; readonly hash?: string },
  ): Promise<{ readonly topics: readonly string[]; readonly filtered: boolean; readonly hash: string } | undefined>;
  /** A schema of a topic, the newest one unless a version is given; `undefined` if there is none. */
  schema(topic: string, version?: Uint8Array): Promise<BrokerSchema | undefined>;
  /** The version of a schema of a topic, which is registered if it is not there. Rejects with `INCOMPATIBLE_SCHEMA`. The topic must exist. */
  registerSchema(topic: string, schema: Omit<BrokerSchema, 'version'>): Promise<Uint8Array>;
  /** What the cluster with this service URL says: for topics that have moved there. */
  at(cluster: string): Lookup;
}
