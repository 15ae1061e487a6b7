import { type AdminHttp, path } from './http.ts';

/** How schemas may change, by the names of the admin API. */
export type SchemaCompatibility =
  | 'UNDEFINED'
  | 'ALWAYS_INCOMPATIBLE'
  | 'ALWAYS_COMPATIBLE'
  | 'BACKWARD'
  | 'FORWARD'
  | 'FULL'
  | 'BACKWARD_TRANSITIVE'
  | 'FORWARD_TRANSITIVE'
  | 'FULL_TRANSITIVE';

/** What the admin API does with namespaces, given as `tenant/namespace`. */
export interface NamespaceAdmin {
  /** `tenant/namespace` of each. */
  list(tenant: string): Promise<readonly string[]>;
  /** Creates a namespace; its topics are spread over so many bundles. Default: the broker's number. */
  create(namespace: string, options?: { readonly bundles?: number }): Promise<void>;
  /** `force`: with everything in it, if the broker allows that. */
  delete(namespace: string, options?: { readonly force?: boolean }): Promise<void>;
  /** Everything that is set for it, as the API sends it. */
  policies(namespace: string): Promise<Readonly<Record<string, unknown>>>;
  /** Whether the broker drops what a producer sends twice. */
  setDeduplication(namespace: string, enabled: boolean): Promise<void>;
  /** How long acknowledged messages stay, and how many of them; -1: without limit. */
  setRetention(namespace: string, retention: { readonly minutes: number; readonly megabytes: number }): Promise<void>;
  /** How large a backlog may grow, in bytes, and what happens then: publishing waits, fails, or the oldest messages go. */
  setBacklogQuota(
    namespace: string,
    quota: { readonly bytes: number; readonly policy: 'producer_request_hold' | 'producer_exception' | 'consumer_backlog_eviction' },
  ): Promise<void>;
  /** Takes the limit on the backlog away. */
  removeBacklogQuota(namespace: string): Promise<void>;
  /** Which new schemas the topics of a namespace take. */
  setSchemaCompatibility(namespace: string, strategy: SchemaCompatibility): Promise<void>;
  /** Whether producers without a schema are refused on topics that have one. */
  setSchemaValidationEnforced(namespace: string, enforced: boolean): Promise<void>;
  /** Whether messages may be delayed, and how exactly, in milliseconds. */
  setDelayedDelivery(namespace: string, delayed: { readonly active: boolean; readonly tickMs?: number }): Promise<void>;
  /** Whether a topic that is used comes into being, and with how many partitions; 0: not partitioned. */
  setAutoTopicCreation(namespace: string, auto: { readonly allowed: boolean; readonly partitions?: number }): Promise<void>;
  /** Whether a subscription that is used comes into being. */
  setAutoSubscriptionCreation(namespace: string, allowed: boolean): Promise<void>;
  /** The bundles of a namespace: `0x00000000_0x40000000`. */
  bundles(namespace: string): Promise<readonly string[]>;
  /** Has brokers close all topics of a namespace, or of one bundle, and let them be loaded anew. */
  unload(namespace: string, bundle?: string): Promise<void>;
}

/** The calls about namespaces. */
export function createNamespaceAdmin(http: AdminHttp): NamespaceAdmin {
  const at = (namespace: string, ...more: readonly string[]): string => path('namespaces', namespace, ...more);
  const send = async (method: 'PUT' | 'POST' | 'DELETE', where: string, body?: unknown, query = {}): Promise<void> => {
    await http.send({ method, path: where, query, body });
  };

  return {
    list: (tenant) => http.json({ method: 'GET', path: at(tenant) }),
    create: (namespace, { bundles } = {}) => send('PUT', at(namespace), bundles === undefined ? {} : { bundles: { numBundles: bundles } }),
    delete: (namespace, { force = false } = {}) => send('DELETE', at(namespace), undefined, { force }),
    policies: (namespace) => http.json({ method: 'GET', path: at(namespace) }),
    setDeduplication: (namespace, enabled) => send('POST', at(namespace, 'deduplication'), enabled),
    setRetention: (namespace, { minutes, megabytes }) =>
      send('POST', at(namespace, 'retention'), { retentionTimeInMinutes: minutes, retentionSizeInMB: megabytes }),
    setBacklogQuota: (namespace, { bytes, policy }) =>
      send('POST', at(namespace, 'backlogQuota'), { limitSize: bytes, policy }, { backlogQuotaType: 'destination_storage' }),
    removeBacklogQuota: (namespace) =>
      send('DELETE', at(namespace, 'backlogQuota'), undefined, { backlogQuotaType: 'destination_storage' }),
    setSchemaCompatibility: (namespace, strategy) => send('PUT', at(namespace, 'schemaCompatibilityStrategy'), strategy),
    setSchemaValidationEnforced: (namespace, enforced) => send('POST', at(namespace, 'schemaValidationEnforced'), enforced),
    setDelayedDelivery: (namespace, { active, tickMs = 1_000 }) =>
      send('POST', at(namespace, 'delayedDelivery'), { active, tickTime: tickMs }),
    setAutoTopicCreation: (namespace, { allowed, partitions = 0 }) =>
      send('POST', at(namespace, 'autoTopicCreation'), {
        allowAutoTopicCreation: allowed,
        ...(allowed && partitions > 0 ? { topicType: 'partitioned', defaultNumPartitions: partitions } : { topicType: 'non-partitioned' }),
      }),
    setAutoSubscriptionCreation: (namespace, allowed) =>
      send('POST', at(namespace, 'autoSubscriptionCreation'), { allowAutoSubscriptionCreation: allowed }),
    async bundles(namespace) {
      const { boundaries } = await http.json<{ readonly boundaries: readonly string[] }>({ method: 'GET', path: at(namespace, 'bundles') });
      return boundaries.slice(1).map((end, index) => `${boundaries[index]}_${end}`);
    },
    unload: (namespace, bundle) => send('PUT', at(namespace, ...(bundle === undefined ? [] : [bundle]), 'unload')),
  };
}
