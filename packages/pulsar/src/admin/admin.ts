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
  readonly topics: TopicAdmin;
  readonly subscriptions: SubscriptionAdmin;
  readonly namespaces: NamespaceAdmin;
  readonly tenants: TenantAdmin;
  readonly schemas: SchemaAdmin;
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
