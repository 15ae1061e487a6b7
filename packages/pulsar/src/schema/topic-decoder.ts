import { PulsarError } from '../errors/pulsar-error.ts';
import type { Lookup } from '../lookup/port.ts';
import type { ValueDecoder } from './port.ts';
import { wireTypeOf } from './registration.ts';

/** Decodes the messages of one topic, each by the version of the schema that it was written with. */
export interface TopicDecoder<T> {
  /**
   * To be called before a message is handed out: `undefined` if its value can be decoded at once, else a promise to wait for.
   * It never rejects: what went wrong is thrown by {@link decode}.
   */
  prepare(schemaVersion: Uint8Array | undefined): Promise<void> | undefined;
  /** Decodes a payload. Throws a `PulsarError`: `CORRUPT`, `INCOMPATIBLE_SCHEMA`, or why the schema could not be fetched. */
  decode(payload: Uint8Array, schemaVersion: Uint8Array | undefined): T;
}

type Outcome<T> = { readonly decode: (payload: Uint8Array) => T } | { readonly error: unknown };

/** Options of {@link createTopicDecoder}. */
export interface TopicDecoderOptions<T> {
  readonly schema: ValueDecoder<T>;
  readonly topic: string;
  readonly lookup: Pick<Lookup, 'schema'>;
}

function keyOf(version: Uint8Array): string {
  return Buffer.from(version.buffer, version.byteOffset, version.byteLength).toString('latin1');
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.byteLength !== right.byteLength) return false;
  for (let at = 0; at < left.byteLength; at += 1) if (left[at] !== right[at]) return false;
  return true;
}

/** Makes the decoder of a topic. Versions are fetched once and kept: a topic has few. */
export function createTopicDecoder<T>(options: TopicDecoderOptions<T>): TopicDecoder<T> {
  const { schema, topic, lookup } = options;
  const { writtenWith } = schema;
  if (writtenWith === undefined) {
    return { prepare: () => undefined, decode: (payload) => schema.decode(payload) };
  }
  const readWith = writtenWith;
  const outcomes = new Map<string, Outcome<T>>();
  const fetches = new Map<string, Promise<void>>();
  // Nearly every message has the version of the one before it.
  let last: { readonly version: Uint8Array; readonly outcome: Outcome<T> } | undefined;

  function outcomeOf(version: Uint8Array): Outcome<T> | undefined {
    if (last !== undefined && sameBytes(last.version, version)) return last.outcome;
    const outcome = outcomes.get(keyOf(version));
    // A copy: the version is a view of a chunk read from a socket, which it would keep.
    if (outcome !== undefined) last = { version: Uint8Array.from(version), outcome };
    return outcome;
  }

  async function fetchDecoder(version: Uint8Array): Promise<Outcome<T>> {
    const writer = await lookup.schema(topic, version);
    if (writer === undefined) {
      throw new PulsarError('INCOMPATIBLE_SCHEMA', `${topic} has no schema of version ${keyOf(version)}, which a message names`);
    }
    if (schema.info !== undefined && writer.type !== wireTypeOf(schema.info.type)) {
      const types = `type ${writer.type} of the protocol, not ${wireTypeOf(schema.info.type)} (${schema.info.type})`;
      throw new PulsarError('INCOMPATIBLE_SCHEMA', `a message of ${topic} was written with a schema of ${types}`);
    }
    return { decode: readWith(writer.data) };
  }

  async function fetchInto(key: string, version: Uint8Array): Promise<void> {
    let outcome: Outcome<T>;
    try {
      outcome = await fetchDecoder(version);
    } catch (error) {
      outcome = { error };
    }
    last = undefined;
    outcomes.set(key, outcome);
    fetches.delete(key);
  }

  return {
    prepare(version) {
      if (version === undefined || version.byteLength === 0) return undefined;
      const outcome = outcomeOf(version);
      // What passes is tried again with the next message.
      if (outcome !== undefined && !('error' in outcome && PulsarError.is(outcome.error) && outcome.error.retryable)) return undefined;
      const key = keyOf(version);
      let fetching = fetches.get(key);
      if (fetching === undefined) {
        fetching = fetchInto(key, Uint8Array.from(version));
        fetches.set(key, fetching);
      }
      return fetching;
    },
    decode(payload, version) {
      if (version === undefined || version.byteLength === 0) return schema.decode(payload);
      const outcome = outcomeOf(version);
      if (outcome === undefined) throw new PulsarError('INCOMPATIBLE_SCHEMA', `the schema of a message of ${topic} is not fetched yet`);
      if ('error' in outcome) throw outcome.error;
      return outcome.decode(payload);
    },
  };
}
