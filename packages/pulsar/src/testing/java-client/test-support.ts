import { inject } from 'vitest';
import { patienceMs } from '../../consumer/test-support.ts';
import { allOf } from '../missing-messages.ts';
import type { RealBroker } from '../test-support.ts';

/** Names of schemas of the Java side; `json` and `avro` are of its class `Order`, `protobuf` is `google.protobuf.Duration`. */
export type JavaSchema =
  | 'bytes'
  | 'string'
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float'
  | 'double'
  | 'timestamp'
  | 'date'
  | 'instant'
  | 'json'
  | 'avro'
  | 'protobuf'
  | 'auto';

/** A message for the Java client to send. */
export interface JavaOutgoing {
  /** Of `bytes`: base64. `undefined` or null: a null value. */
  readonly value?: unknown;
  readonly key?: string;
  readonly keyBase64?: string;
  readonly orderingKeyBase64?: string;
  readonly properties?: Readonly<Record<string, string>>;
  readonly eventTimeMs?: number;
  readonly sequenceId?: number;
  readonly deliverAfterMs?: number;
}

/** What the Java client is to send, and how. */
export interface JavaProduce {
  readonly topic: string;
  readonly schema?: JavaSchema;
  readonly name?: string;
  readonly compression?: 'NONE' | 'LZ4' | 'ZLIB' | 'ZSTD' | 'SNAPPY';
  /** All messages in batches of `batchSize`. Default: each by itself. */
  readonly batching?: boolean;
  readonly batchSize?: number;
  readonly keyed?: boolean;
  readonly chunking?: boolean;
  readonly chunkBytes?: number;
  readonly hashing?: 'JavaStringHash' | 'Murmur3_32Hash';
  /** In a transaction, which ends so. */
  readonly transaction?: 'commit' | 'abort';
  readonly messages: readonly JavaOutgoing[];
}

/** What the Java client is to receive, and what it does then. */
export interface JavaConsume {
  readonly topic: string;
  readonly count: number;
  /** Default: `bytes`. */
  readonly schema?: JavaSchema;
  /** Default: `java`; new ones begin at the earliest message. */
  readonly subscription?: string;
  /** Default: `Exclusive`. */
  readonly type?: 'Exclusive' | 'Shared' | 'Failover' | 'Key_Shared';
  readonly readCompacted?: boolean;
  readonly retry?: boolean;
  /** Sets a dead-letter policy and redelivers what is given back after 100 ms. */
  readonly maxRedeliveries?: number;
  /** Default: `ack`. `later`: sends to the retry topic. */
  readonly outcome?: 'ack' | 'nack' | 'later' | 'nothing';
  /** How long a message is waited for; fewer are returned then. Default: 45,000, and fewer are an error. */
  readonly timeoutMs?: number;
}

/** A message as the Java client sees it. */
export interface JavaIncoming {
  readonly id: string;
  readonly topic: string;
  /** Base64. */
  readonly data: string | null;
  readonly isNull: boolean;
  /** Of `bytes`: base64. */
  readonly value: unknown;
  readonly hasKey: boolean;
  readonly key: string | null;
  /** Said to have none; not known of partitioned topics. */
  readonly keyIsNull: boolean;
  readonly keyIsBase64: boolean;
  readonly keyBase64: string | null;
  readonly orderingKeyBase64: string | null;
  readonly properties: Readonly<Record<string, string>>;
  readonly eventTimeMs: number;
  readonly sequenceId: number;
  readonly producerName: string;
  readonly redeliveryCount: number;
  /** Base64. */
  readonly schemaVersion: string | null;
}

/** The official Java client, to compare with. */
export interface JavaClient {
  /** Resolves with the ids as Java writes them. */
  produce(request: JavaProduce): Promise<readonly string[]>;
  /** Rejects, unless `timeoutMs` is given, with how the topic stands at the broker if fewer messages come than `count`. */
  consume(request: JavaConsume): Promise<readonly JavaIncoming[]>;
}

/** The Java client of a run, connected to a broker. The first call of a run starts it, which takes some seconds: call it in `beforeAll`. */
export async function javaClient(broker: RealBroker): Promise<JavaClient> {
  const started = await fetch(`${inject('pulsarBrokers')}/java-client`);
  if (!started.ok) throw new Error(await started.text());
  const { url } = (await started.json()) as { url: string };

  async function post(path: string, request: object): Promise<unknown> {
    const answer = await fetch(url + path, { method: 'POST', body: JSON.stringify({ serviceUrl: broker.serviceUrl, ...request }) });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  return {
    produce: async (request) => ((await post('/produce', request)) as { ids: string[] }).ids,
    async consume(request) {
      const { messages } = (await post('/consume', { timeoutMs: patienceMs, ...request })) as { messages: JavaIncoming[] };
      return request.timeoutMs === undefined ? allOf(messages, request.count, request.topic, broker) : messages;
    },
  };
}
