import { create } from '@bufbuild/protobuf';
import type { BrokerAddress, Connection, ServicePool } from '../connection/port.ts';
import { formatHostPort, parseServiceUrl } from '../connection/service-url.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import {
  type BaseCommand,
  BaseCommandSchema,
  type CommandLookupTopicResponse,
  GetTopicsMode,
  LookupType,
  PartitionMetadataLookupType,
  BaseCommand_Type as Type,
} from '../gen/pulsar/wire_pb.ts';
import type { Lookup, TopicDomain } from './port.ts';
import { type RetryOptions, untilItWorks } from './retry.ts';
import { createSchemaCalls } from './schemas.ts';
import { createThrottle } from './throttle.ts';
import { parseTopicName } from './topic-name.ts';

const MAX_REDIRECTS = 20;

/** Options of {@link createLookup}. */
export interface LookupOptions extends RetryOptions {
  readonly pool: ServicePool;
  /** Whether brokers are connected to with TLS. */
  readonly tls: boolean;
  /** Which of a broker's advertised listeners to name. Default: the broker's choice. */
  readonly listenerName?: string | undefined;
}

const modes: Readonly<Record<TopicDomain, GetTopicsMode>> = {
  persistent: GetTopicsMode.PERSISTENT,
  'non-persistent': GetTopicsMode.NON_PERSISTENT,
  all: GetTopicsMode.ALL,
};

/** Asks brokers about topics: those of the client's own cluster, and by `at` those of others. */
export function createLookup(options: LookupOptions): Lookup {
  const others = new Map<string, Lookup>();
  function at(cluster: string): Lookup {
    const lookup = others.get(cluster) ?? createClusterLookup(options, at, cluster);
    others.set(cluster, lookup);
    return lookup;
  }
  return createClusterLookup(options, at);
}

function createClusterLookup(options: LookupOptions, at: Lookup['at'], cluster?: string): Lookup {
  const { pool, tls, listenerName } = options;
  const throttle = createThrottle(pool.avoid);
  const topicsInFlight = new Map<string, Promise<BrokerAddress>>();
  const partitionsInFlight = new Map<string, Promise<number>>();

  async function ask(connection: Connection, timeoutMs: number, make: (requestId: bigint) => BaseCommand): Promise<BaseCommand> {
    const requestId = connection.nextRequestId();
    try {
      return await throttle.run(() => connection.request(requestId, make(requestId), { timeoutMs }));
    } catch (error) {
      throttle.noteFailure(connection, error);
      throw error;
    }
  }

  function brokerOf(topic: string, answer: CommandLookupTopicResponse): string {
    const url = tls ? answer.brokerServiceUrlTls : answer.brokerServiceUrl;
    const [host] = url === '' ? [] : parseServiceUrl(url).hosts;
    if (host !== undefined) return formatHostPort(host);
    throw new PulsarError('BROKER', `the broker of ${topic} has no address ${tls ? 'with' : 'without'} TLS`, { command: 'LOOKUP' });
  }

  async function findBroker(topic: string, leftMs: number): Promise<BrokerAddress> {
    const deadline = performance.now() + leftMs;
    let { connection, address } = await pool.connectToService(cluster);
    let authoritative = false;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const command = await ask(connection, Math.max(1, deadline - performance.now()), (requestId) =>
        create(BaseCommandSchema, {
          type: Type.LOOKUP,
          lookupTopic: {
            topic,
            requestId,
            authoritative,
            ...(listenerName === undefined ? {} : { advertisedListenerName: listenerName }),
          },
        }),
      );
      const answer = command.lookupTopicResponse;
      // Absent reads as REDIRECT, its first value.
      if (answer === undefined || !Object.hasOwn(answer, 'response') || answer.response === LookupType.LOOKUP_FAILED) {
        throw new PulsarError('BROKER', `the look-up of ${topic} failed without a reason`, { command: 'LOOKUP', retryable: true });
      }
      const logical = brokerOf(topic, answer);
      const found: BrokerAddress = { logical, physical: answer.proxyThroughServiceUrl ? address.physical : logical };
      if (answer.response === LookupType.CONNECT) return found;
      authoritative = answer.authoritative;
      connection = await pool.connect(found, 0);
      address = found;
    }
    throw new PulsarError('BROKER', `the look-up of ${topic} was redirected more than ${MAX_REDIRECTS} times`, { command: 'LOOKUP' });
  }

  /** Shares what is asked already. */
  function shared<T>(inFlight: Map<string, Promise<T>>, key: string, start: () => Promise<T>): Promise<T> {
    let running = inFlight.get(key);
    if (running === undefined) {
      running = start().finally(() => inFlight.delete(key));
      inFlight.set(key, running);
    }
    return running;
  }

  async function topic(name: string): Promise<BrokerAddress> {
    const { full } = parseTopicName(name);
    return shared(topicsInFlight, full, () =>
      untilItWorks(options, { command: 'LOOKUP', name: full }, (leftMs) => findBroker(full, leftMs)),
    );
  }

  async function countPartitions(topicName: string, wanted: boolean, leftMs: number): Promise<number> {
    const { connection } = await pool.connectToService(cluster);
    // A broker that does not know the wish would create all the same; it is only told what it knows.
    const wish = wanted || !connection.features.metadataWithoutAutoCreation ? {} : { metadataAutoCreationEnabled: false };
    const command = await ask(connection, leftMs, (requestId) =>
      create(BaseCommandSchema, {
        type: Type.PARTITIONED_METADATA,
        partitionMetadata: { topic: topicName, requestId, ...wish },
      }),
    );
    const answer = command.partitionMetadataResponse;
    // Absent is no success here either, though it reads as such.
    if (answer === undefined || !Object.hasOwn(answer, 'response') || answer.response !== PartitionMetadataLookupType.SUCCESS) {
      const message = `the partitions of ${topicName} were refused without a reason`;
      throw new PulsarError('BROKER', message, { command: 'PARTITIONED_METADATA', retryable: true });
    }
    return answer.partitions;
  }

  async function partitions(name: string, { create: wanted = true }: { readonly create?: boolean } = {}): Promise<number> {
    const { full } = parseTopicName(name);
    return shared(partitionsInFlight, `${full} ${wanted}`, () =>
      untilItWorks(options, { command: 'PARTITIONED_METADATA', name: full }, (leftMs) => countPartitions(full, wanted, leftMs)),
    );
  }

  function topicsOf(
    namespace: string,
    domain: TopicDomain,
    pattern?: { readonly text: string; readonly hash?: string },
  ): ReturnType<Lookup['topicsOf']> {
    return untilItWorks(options, { command: 'GET_TOPICS_OF_NAMESPACE', name: namespace }, async (leftMs) => {
      const { connection } = await pool.connectToService(cluster);
      const filter = pattern && { topicsPattern: pattern.text, ...(pattern.hash === undefined ? {} : { topicsHash: pattern.hash }) };
      const command = await ask(connection, leftMs, (requestId) =>
        create(BaseCommandSchema, {
          type: Type.GET_TOPICS_OF_NAMESPACE,
          getTopicsOfNamespace: { requestId, namespace, mode: modes[domain], ...filter },
        }),
      );
      const answer = command.getTopicsOfNamespaceResponse;
      if (answer === undefined || !answer.changed) return undefined;
      return { topics: answer.topics, filtered: answer.filtered, hash: answer.topicsHash };
    });
  }

  return { topic, partitions, topicsOf, ...createSchemaCalls({ ...options, cluster, ask, owner: topic }), at };
}
