import { parseTopicName } from '../lookup/topic-name.ts';
import { type AdminHttp, path } from './http.ts';

/** What the admin API does with tenants. */
export interface TenantAdmin {
  /** Names of all tenants. */
  list(): Promise<readonly string[]>;
  /** Creates a tenant. Default clusters: all of the instance. */
  create(tenant: string, options?: { readonly clusters?: readonly string[]; readonly adminRoles?: readonly string[] }): Promise<void>;
  /** Rejects if it still has namespaces. */
  delete(tenant: string): Promise<void>;
}

/** What the admin API says of brokers. */
export interface BrokerAdmin {
  /** Resolves if the broker can store and deliver a message; rejects otherwise. */
  health(): Promise<void>;
  /** `4.0.7` */
  version(): Promise<string>;
  /** Every setting that the broker runs with. */
  configuration(): Promise<Readonly<Record<string, string>>>;
  /** Changes a setting while brokers run, if it is one of those that can be changed. */
  setConfiguration(name: string, value: string): Promise<void>;
}

/** What the admin API does with the schemas of topics. */
export interface SchemaAdmin {
  /** The newest schema of a topic. Rejects with `TOPIC_NOT_FOUND` if there is none. */
  get(topic: string): Promise<{
    readonly version: number;
    readonly type: string;
    readonly data: string;
    readonly properties: Readonly<Record<string, string>>;
  }>;
  /** Deletes every version of a topic's schema. */
  delete(topic: string): Promise<void>;
}

/** The calls about tenants. */
export function createTenantAdmin(http: AdminHttp): TenantAdmin {
  return {
    list: () => http.json({ method: 'GET', path: '/tenants' }),
    async create(tenant, { clusters, adminRoles = [] } = {}) {
      const allowedClusters = clusters ?? (await http.json<readonly string[]>({ method: 'GET', path: '/clusters' }));
      await http.send({ method: 'PUT', path: path('tenants', tenant), body: { allowedClusters, adminRoles } });
    },
    async delete(tenant) {
      await http.send({ method: 'DELETE', path: path('tenants', tenant) });
    },
  };
}

/** The calls about brokers. */
export function createBrokerAdmin(http: AdminHttp): BrokerAdmin {
  return {
    async health() {
      await http.send({ method: 'GET', path: '/brokers/health' });
    },
    async version() {
      const { body } = await http.send({ method: 'GET', path: '/brokers/version' });
      return body.toString('utf8');
    },
    configuration: () => http.json({ method: 'GET', path: '/brokers/configuration/runtime' }),
    async setConfiguration(name, value) {
      await http.send({ method: 'POST', path: `${path('brokers', 'configuration', name)}/${encodeURIComponent(value)}` });
    },
  };
}

/** The calls about schemas. */
export function createSchemaAdmin(http: AdminHttp): SchemaAdmin {
  function at(topic: string): string {
    const { namespace, localName } = parseTopicName(topic);
    return `${path('schemas', namespace)}/${encodeURIComponent(localName)}/schema`;
  }

  return {
    get: (topic) => http.json({ method: 'GET', path: at(topic) }),
    async delete(topic) {
      await http.send({ method: 'DELETE', path: at(topic), query: { force: false } });
    },
  };
}
