// The admin API over HTTP: topics, subscriptions, namespaces, brokers.
export { createPulsarAdmin, type PulsarAdmin } from './admin.ts';
export type { BrokerAdmin, SchemaAdmin, TenantAdmin } from './cluster.ts';
export type { AdminAnswer, PulsarAdminOptions } from './http.ts';
export type { NamespaceAdmin, SchemaCompatibility } from './namespaces.ts';
export type {
  AdminMessageId,
  ConsumerStats,
  PartitionedTopicStats,
  PublisherStats,
  SubscriptionStats,
  TopicInternalStats,
  TopicStats,
} from './stats.ts';
export type { AdminPosition, SubscriptionAdmin } from './subscriptions.ts';
export type { TopicAdmin } from './topics.ts';
