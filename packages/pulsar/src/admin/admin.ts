import {
  type BrokerAdmin,
  createBrokerAdmin,
  createSchemaAdmin,
  createTenantAdmin,
  type SchemaAdmin,
  type TenantAdmin,
} from './cluster.ts';
import { createAdminHttp, type PulsarAdminOptions } from './http.ts';
import { createNamespaceAdmin, type NamespaceAdmin } from './namespaces.ts';
import { createSubscriptionAdmin, type SubscriptionAdmin } from './subscriptions.ts';
import { createTopicAdmin, type TopicAdmin } from './topics.ts';

/** The HTTP admin API of a cluster, as far as tests and tools need it. Every call rejects with a `PulsarError`. */
export interface PulsarAdmin {
  /** Topics: create, delete, unload, statistics. */
  readonly topics: TopicAdmin;
  /** Subscriptions and where their cursors stand. */
  readonly subscriptions: SubscriptionAdmin;
  /** Namespaces, their policies and bundles. */
  readonly namespaces: NamespaceAdmin;
  /** Tenants. */
  readonly tenants: TenantAdmin;
  /** What schema a topic has. */
  readonly schemas: SchemaAdmin;
  /** The brokers themselves. */
  readonly brokers: BrokerAdmin;
}

/**
 * The admin API at `url`. Nothing is kept open between calls. Throws `INVALID_ARGUMENT` for a URL that is none.
 *
 * @example
 * ```ts
 * const admin = createPulsarAdmin({ url: 'http://localhost:8080' });
 * await admin.topics.createPartitioned('orders', 4);
 * ```
 */
export function createPulsarAdmin(options: PulsarAdminOptions): PulsarAdmin {
  const http = createAdminHttp(options);
  return {
    topics: createTopicAdmin(http),
    subscriptions: createSubscriptionAdmin(http),
    namespaces: createNamespaceAdmin(http),
    tenants: createTenantAdmin(http),
    schemas: createSchemaAdmin(http),
    brokers: createBrokerAdmin(http),
  };
}
