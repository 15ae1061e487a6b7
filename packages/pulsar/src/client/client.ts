import { PulsarError } from '../errors/pulsar-error.ts';
import { parseTopicName, partitionName } from '../lookup/topic-name.ts';
import type { ClientContext } from './context.ts';
import { createContext } from './create-context.ts';
import type { PulsarClientOptions } from './options.ts';

/** A client of one cluster. Its producers, consumers and readers share its connections and end with it. */
export interface PulsarClient extends AsyncDisposable {
  /** Whether it is closed, or about to. */
  readonly closed: boolean;
  /** The names of a topic's partitions; of one that is not partitioned its own. */
  partitionsOf(topic: string): Promise<readonly string[]>;
  /** Closes all producers, consumers and readers, and every connection. Idempotent; whatever waits is settled with `ALREADY_CLOSED`. */
  close(): Promise<void>;
}

/**
 * A client for the cluster at `serviceUrl`. It connects when first needed. Throws `INVALID_ARGUMENT` for options that make no
 * sense.
 *
 * @example
 * ```ts
 * const client = createPulsarClient({ serviceUrl: 'pulsar://localhost:6650' });
 * ```
 */
export function createPulsarClient(options: PulsarClientOptions): PulsarClient {
  const owned = createContext(options);

  /** The context, as long as the client is open. */
  function open(): ClientContext {
    if (owned.closed) throw new PulsarError('ALREADY_CLOSED', 'the client is closed');
    return owned.context;
  }

  async function partitionsOf(topic: string): Promise<readonly string[]> {
    const count = await open().lookup.partitions(topic);
    if (count === 0) return [parseTopicName(topic).full];
    return Array.from({ length: count }, (_, partition) => partitionName(topic, partition));
  }

  return {
    get closed() {
      return owned.closed;
    },
    partitionsOf,
    close: () => owned.close(),
    [Symbol.asyncDispose]: () => owned.close(),
  };
}
