import type { Lookup } from '../lookup/port.ts';
import type { SchemaInfo } from '../schema/port.ts';
import { wireTypeOf } from '../schema/registration.ts';
import type { Outgoing } from './message.ts';

type Versions = WeakMap<SchemaInfo, Uint8Array | Promise<Uint8Array>>;

/**
 * What has to be done before a message may be sent to a topic, if anything: its transaction has to know the topic, and the topic
 * its schema, if that is not the producer's. `lookup` is that of the cluster that has the topic now.
 */
export function createPrerequisite(lookup: () => Lookup, topic: string): (outgoing: Outgoing) => Promise<unknown> | undefined {
  // Another cluster has versions of its own.
  const byCluster = new WeakMap<Lookup, Versions>();

  async function register(info: SchemaInfo, cluster: Lookup, versions: Versions): Promise<Uint8Array> {
    const { type, name, data, properties } = info;
    try {
      const version = await cluster.registerSchema(topic, { type: wireTypeOf(type), name, data, properties });
      versions.set(info, version);
      return version;
    } catch (error) {
      versions.delete(info);
      throw error;
    }
  }

  /** Gives the message the version of its schema, at once if it is known. */
  function adoptVersion(outgoing: Outgoing, info: SchemaInfo): Promise<void> | undefined {
    const cluster = lookup();
    const versions = byCluster.get(cluster) ?? new WeakMap();
    byCluster.set(cluster, versions);
    let version = versions.get(info);
    if (version === undefined) {
      version = register(info, cluster, versions);
      versions.set(info, version);
    }
    if (version instanceof Uint8Array) {
      outgoing.schemaVersion = version;
      return undefined;
    }
    return version.then((known) => {
      outgoing.schemaVersion = known;
    });
  }

  return (outgoing) => {
    const known = outgoing.scope?.addTopic(topic);
    const info = outgoing.schema?.info;
    if (info === undefined) return known;
    const adopted = adoptVersion(outgoing, info);
    return known === undefined || adopted === undefined ? (known ?? adopted) : Promise.all([known, adopted]);
  };
}
