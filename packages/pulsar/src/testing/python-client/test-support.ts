import { inject } from 'vitest';
import { patienceMs } from '../../consumer/test-support.ts';
import { allOf } from '../missing-messages.ts';
import type { RealBroker } from '../test-support.ts';

/** Names of schemas of the Python side; `json` and `avro` are of its class `Order`. */
export type PythonSchema = 'bytes' | 'string' | 'json' | 'avro';

/** A message for the Python client to send. */
export interface PythonOutgoing {
  /** Of `bytes`: base64. */
  readonly value: unknown;
  readonly key?: string;
  readonly orderingKey?: string;
  readonly properties?: Readonly<Record<string, string>>;
  readonly eventTimeMs?: number;
  readonly sequenceId?: number;
  readonly deliverAfterMs?: number;
}

/** What the Python client is to send, and how. */
export interface PythonProduce {
  readonly topic: string;
  /** Default: `bytes`. */
  readonly schema?: PythonSchema;
  readonly name?: string;
  readonly compression?: 'NONE' | 'LZ4' | 'ZLIB' | 'ZSTD' | 'SNAPPY';
  /** All messages in batches of `batchSize`. Default: each by itself. */
  readonly batching?: boolean;
  readonly batchSize?: number;
  readonly keyed?: boolean;
  readonly chunking?: boolean;
  readonly messages: readonly PythonOutgoing[];
}

/** What the Python client is to receive, and what it does then. */
export interface PythonConsume {
  readonly topic: string;
  readonly count: number;
  /** Default: `bytes`. */
  readonly schema?: PythonSchema;
  /** Default: `python`; new ones begin at the earliest message. */
  readonly subscription?: string;
  /** Default: `Exclusive`. */
  readonly type?: 'Exclusive' | 'Shared' | 'Failover' | 'Key_Shared';
  /** Sets a dead-letter policy and redelivers what is given back after 100 ms. */
  readonly maxRedeliveries?: number;
  /** Default: `ack`. */
  readonly outcome?: 'ack' | 'nack' | 'nothing';
  /** How long a message is waited for; fewer are returned then. Default: 45,000, and fewer are an error. */
  readonly timeoutMs?: number;
}

/** A message as the Python client sees it. */
export interface PythonIncoming {
  readonly id: string;
  readonly topic: string;
  /** Base64. */
  readonly data: string;
  readonly isNull: boolean;
  /** Of `bytes`: base64. */
  readonly value: unknown;
  /** Empty: none. */
  readonly key: string;
  /** Empty: none. */
  readonly orderingKey: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly eventTimeMs: number;
  readonly producerName: string;
  readonly redeliveryCount: number;
}

/** The official Python client, to compare with. */
export interface PythonClient {
  /** Resolves with the ids as Python writes them. */
  produce(request: PythonProduce): Promise<readonly string[]>;
  /** Rejects, unless `timeoutMs` is given, with how the topic stands at the broker if fewer messages come than `count`. */
  consume(request: PythonConsume): Promise<readonly PythonIncoming[]>;
}

/** The Python client of a run, connected to a broker. The first call of a run starts it: call it in `beforeAll`. */
export async function pythonClient(broker: RealBroker): Promise<PythonClient> {
  const started = await fetch(`${inject('pulsarBrokers')}/python-client`);
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
      const { messages } = (await post('/consume', { timeoutMs: patienceMs, ...request })) as { messages: PythonIncoming[] };
      return request.timeoutMs === undefined ? allOf(messages, request.count, request.topic, broker) : messages;
    },
  };
}
