import type { ClientContext } from '../client/context.ts';
import type { SchemaInfo } from '../schema/port.ts';
import { wireTypeOf } from '../schema/registration.ts';
import type { Outgoing } from './message.ts';

/**
 * What has to be done before a message may be sent to a topic, if anything: its transaction has to know the topic, and the topic
 * its schema, if that is not the producer's.
 */
export function createPrerequisite(
  context: Pick<ClientContext, 'lookup'>,
  topic: string,
): (outgoing: Outgoing) => Promise<unknown> | undefined {
  const versions = new WeakMap<SchemaInfo, Uint8Array | Promise<Uint8Array>>();

  async function register(info: SchemaInfo): Promise<Uint8Array> {
    const { type, name, data, properties } = info;
    try {
      const version = await context.lookup.registerSchema(topic, { type: wireTypeOf(type), name, data, properties });
      versions.set(info, version);
      return version;
    } catch (error) {
      versions.delete(info);
      throw error;
    }
  }

  /** Gives the message the version of its schema, at once if it is known. */
  function adoptVersion(outgoing: Outgoing, info: SchemaInfo): Promise<void> | undefined {
    let version = versions.get(info);
    if (version === undefined) {
      version = register(info);
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
