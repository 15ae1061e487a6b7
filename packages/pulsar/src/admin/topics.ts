import { parseTopicName } from '../lookup/topic-name.ts';
import { type AdminHttp, path } from './http.ts';
import type { AdminMessageId, PartitionedTopicStats, TopicInternalStats, TopicStats } from './stats.ts';

/** What the admin API does with topics. Names are given as everywhere: `name`, `tenant/namespace/name`, or full. */
export interface TopicAdmin {
  /** Creates a topic that is not partitioned. Rejects with `BROKER` (HTTP 409) if it exists. */
  create(topic: string): Promise<void>;
  /** Creates a topic with so many partitions. Rejects with `BROKER` (HTTP 409) if it exists. */
  createPartitioned(topic: string, partitions: number): Promise<void>;
  /** Raises the number of partitions. It cannot be lowered. */
  updatePartitions(topic: string, partitions: number): Promise<void>;
  /** The number of partitions; 0 of a topic that is not partitioned, or that does not exist. */
  partitions(topic: string): Promise<number>;
  /** Deletes a topic, partitioned or not. `force`: even with producers and consumers connected. */
  delete(topic: string, options?: { readonly force?: boolean }): Promise<void>;
  /** The full names of a namespace's topics, each partition by itself. */
  list(namespace: string, options?: { readonly domain?: 'persistent' | 'non-persistent' }): Promise<readonly string[]>;
  /** The full names of a namespace's partitioned topics. */
  listPartitioned(namespace: string): Promise<readonly string[]>;
  /** Of a topic that is not partitioned, or of one partition by its own name. */
  stats(topic: string): Promise<TopicStats>;
  /** What the broker counts of a partitioned topic and of each partition. */
  partitionedStats(topic: string): Promise<PartitionedTopicStats>;
  /** How a topic lies in its ledgers. */
  internalStats(topic: string): Promise<TopicInternalStats>;
  /** Has the broker close the topic and let it be loaded anew: clients reconnect. */
  unload(topic: string): Promise<void>;
  /** Ends a topic: nothing more is published to it. Resolves with its last message. */
  terminate(topic: string): Promise<AdminMessageId>;
  /** Starts a compaction. */
  compact(topic: string): Promise<void>;
  /** How the last compaction fares. */
  compactionStatus(topic: string): Promise<'NOT_RUN' | 'RUNNING' | 'SUCCESS' | 'ERROR'>;
  /** Where the topic is served: `pulsar://host:6650`. */
  lookup(topic: string): Promise<{ readonly brokerUrl: string; readonly brokerUrlTls?: string; readonly httpUrl?: string }>;
  /** The hash ranges of the namespace that the topic is in: `0x00000000_0x40000000`. */
  bundle(topic: string): Promise<string>;
}

/** The path of a topic below `/admin/v2`. */
export function topicPath(topic: string, ...more: readonly string[]): string {
  const { domain, namespace, localName } = parseTopicName(topic);
  // The name is one part, even with slashes in it.
  return `${path(domain, namespace)}/${encodeURIComponent(localName)}${path(...more)}`;
}

/** The calls about topics. */
export function createTopicAdmin(http: AdminHttp): TopicAdmin {
  const send = async (method: 'PUT' | 'POST' | 'DELETE', at: string, body?: unknown, query = {}): Promise<void> => {
    await http.send({ method, path: at, query, body });
  };

  async function partitions(topic: string): Promise<number> {
    const at = topicPath(topic, 'partitions');
    const found = await http.json<{ readonly partitions: number }>({ method: 'GET', path: at, query: { checkAllowAutoCreation: false } });
    return found.partitions;
  }

  function lookupPath(topic: string): string {
    return topicPath(topic).slice(1);
  }

  return {
    create: (topic) => send('PUT', topicPath(topic), {}),
    createPartitioned: (topic, count) => send('PUT', topicPath(topic, 'partitions'), count),
    updatePartitions: (topic, count) => send('POST', topicPath(topic, 'partitions'), count),
    partitions,
    async delete(topic, { force = false } = {}) {
      const partitioned = parseTopicName(topic).partition === -1 && (await partitions(topic)) > 0;
      await send('DELETE', partitioned ? topicPath(topic, 'partitions') : topicPath(topic), undefined, { force });
    },
    list: (namespace, { domain = 'persistent' } = {}) => http.json({ method: 'GET', path: path(domain, namespace) }),
    listPartitioned: (namespace) => http.json({ method: 'GET', path: path('persistent', namespace, 'partitioned') }),
    stats: (topic) => http.json({ method: 'GET', path: topicPath(topic, 'stats'), query: { getPreciseBacklog: true } }),
    partitionedStats: (topic) =>
      http.json({ method: 'GET', path: topicPath(topic, 'partitioned-stats'), query: { perPartition: true, getPreciseBacklog: true } }),
    internalStats: (topic) => http.json({ method: 'GET', path: topicPath(topic, 'internalStats') }),
    unload: (topic) => send('PUT', topicPath(topic, 'unload')),
    terminate: (topic) => http.json({ method: 'POST', path: topicPath(topic, 'terminate') }),
    compact: (topic) => send('PUT', topicPath(topic, 'compaction')),
    async compactionStatus(topic) {
      const answer = await http.json<{ readonly status: 'NOT_RUN' | 'RUNNING' | 'SUCCESS' | 'ERROR' }>({
        method: 'GET',
        path: topicPath(topic, 'compaction'),
      });
      return answer.status;
    },
    lookup: (topic) => http.json({ method: 'GET', path: `//lookup/v2/topic/${lookupPath(topic)}` }),
    async bundle(topic) {
      const { body } = await http.send({ method: 'GET', path: `//lookup/v2/topic/${lookupPath(topic)}/bundle` });
      return body.toString('utf8');
    },
  };
}
