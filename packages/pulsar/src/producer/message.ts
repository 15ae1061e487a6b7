import { PulsarError } from '../errors/pulsar-error.ts';
import type { ValueEncoder } from '../schema/port.ts';
import type { Transaction, TransactionScope } from '../transaction/port.ts';
import { scopeOf } from '../transaction/scope.ts';
import type { Properties } from '../wire/properties.ts';

/** What a producer without a schema takes: bytes, or text that is sent as UTF-8. */
export type Payload = Uint8Array | string;

/** A message to be sent. */
export interface ProducerMessage<T = Payload> {
  /** What is sent. `null`: nothing, which in a compacted topic deletes what the key had. */
  readonly value: T | null;
  /** Messages of one key go to one partition, and in a key-shared subscription to one consumer. Bytes are written as base64. `null`: said to have none. Default: none. */
  readonly key?: string | Uint8Array | null | undefined;
  /** What key-shared subscriptions go by instead of the key; text is written as UTF-8. Default: none. */
  readonly orderingKey?: string | Uint8Array | undefined;
  /** Default: none. */
  readonly properties?: Properties | undefined;
  /** When it happened, in milliseconds since the epoch. Default: not said. */
  readonly eventTimeMs?: number | undefined;
  /** Not delivered before then, in milliseconds since the epoch, to shared and key-shared subscriptions; others get it at once. Default: not delayed. */
  readonly deliverAtMs?: number | undefined;
  /** The same as so many milliseconds from now. */
  readonly deliverAfterMs?: number | undefined;
  /** What the broker drops duplicates by, where that is on: an integer that rises from message to message. Default: one more than the last. */
  readonly sequenceId?: number | undefined;
  /** The clusters that it is replicated to; empty: to none. Default: as the namespace says. */
  readonly replicateTo?: readonly string[] | undefined;
  /** It is seen only once this is committed. */
  readonly transaction?: Transaction | undefined;
  /** Encodes the value, and is registered with the topic before the message is sent; what is sent behind it waits meanwhile. Default: the producer's. */
  readonly schema?: ValueEncoder<T> | undefined;
}

/** A message on its way: what the batch encoder reads of it, under its names, and what else there is. */
export interface Outgoing {
  readonly payload: Uint8Array;
  readonly properties: Properties | undefined;
  readonly partitionKey: string | undefined;
  readonly partitionKeyB64Encoded: true | undefined;
  readonly orderingKey: Uint8Array | undefined;
  readonly eventTime: number | undefined;
  readonly nullValue: true | undefined;
  readonly nullPartitionKey: true | undefined;
  /** -1: not chosen yet. */
  sequenceId: number;
  readonly deliverAtTime: number | undefined;
  readonly replicateTo: readonly string[] | undefined;
  readonly scope: TransactionScope | undefined;
  /** Another one than the producer's. */
  readonly schema: ValueEncoder<never> | undefined;
  /** Of that one, once it is known. */
  schemaVersion: Uint8Array | undefined;
}

/** Made by `new`: literals that often outlive a collection are made old from the start, and what they hold is collected late. */
class Prepared implements Outgoing {
  readonly payload: Uint8Array;
  readonly properties: Properties | undefined;
  readonly partitionKey: string | undefined;
  readonly partitionKeyB64Encoded: true | undefined;
  readonly orderingKey: Uint8Array | undefined;
  readonly eventTime: number | undefined;
  readonly nullValue: true | undefined;
  readonly nullPartitionKey: true | undefined;
  sequenceId: number;
  readonly deliverAtTime: number | undefined;
  readonly replicateTo: readonly string[] | undefined;
  readonly scope: TransactionScope | undefined;
  readonly schema: ValueEncoder<never> | undefined;
  schemaVersion: Uint8Array | undefined = undefined;

  constructor(of: Partial<Outgoing> & Pick<Outgoing, 'payload' | 'sequenceId'>) {
    this.payload = of.payload;
    this.properties = of.properties;
    this.partitionKey = of.partitionKey;
    this.partitionKeyB64Encoded = of.partitionKeyB64Encoded;
    this.orderingKey = of.orderingKey;
    this.eventTime = of.eventTime;
    this.nullValue = of.nullValue;
    this.nullPartitionKey = of.nullPartitionKey;
    this.sequenceId = of.sequenceId;
    this.deliverAtTime = of.deliverAtTime;
    this.replicateTo = of.replicateTo;
    this.scope = of.scope;
    this.schema = of.schema;
  }
}

const nothing = new Uint8Array(0);
const nowhere: readonly string[] = ['__local__'];

/** What producers without a schema encode with. */
export const payloadEncoder: ValueEncoder<Payload> = {
  info: undefined,
  encode(value) {
    if (typeof value === 'string') return Buffer.from(value, 'utf8');
    if (value instanceof Uint8Array) return value;
    throw new PulsarError('INVALID_MESSAGE', `a value of type ${typeof value} cannot be sent without a schema: give bytes, text or null`);
  },
};

/** Checks and encodes a message. Throws `INVALID_ARGUMENT` and `INVALID_MESSAGE`. */
export function prepare<T>(message: ProducerMessage<T> | (T & Payload), encoder: ValueEncoder<T>): Outgoing {
  if (typeof message === 'string' || message instanceof Uint8Array) return bare(encoder.encode(message as T));
  if (typeof message !== 'object' || message === null) {
    throw new PulsarError(
      'INVALID_ARGUMENT',
      `a message is an object with a value, bytes or text, not ${message === null ? 'null' : typeof message}`,
    );
  }
  const { value, key, orderingKey, eventTimeMs, sequenceId, replicateTo, transaction, schema = encoder } = message as ProducerMessage<T>;
  if (value === undefined) throw new PulsarError('INVALID_ARGUMENT', 'a message needs a value: give null for none');
  if (eventTimeMs !== undefined) wholeNumber('eventTimeMs', eventTimeMs);
  if (sequenceId !== undefined) wholeNumber('sequenceId', sequenceId);
  return new Prepared({
    payload: value === null ? nothing : schema.encode(value),
    properties: message.properties,
    partitionKey: typeof key === 'string' ? key : key ? Buffer.from(key.buffer, key.byteOffset, key.length).toString('base64') : undefined,
    partitionKeyB64Encoded: key instanceof Uint8Array ? true : undefined,
    orderingKey: typeof orderingKey === 'string' ? Buffer.from(orderingKey, 'utf8') : orderingKey,
    eventTime: eventTimeMs,
    nullValue: value === null ? true : undefined,
    nullPartitionKey: key === null ? true : undefined,
    sequenceId: sequenceId ?? -1,
    deliverAtTime: deliveryTime(message as ProducerMessage<T>),
    replicateTo: replicateTo?.length === 0 ? nowhere : replicateTo,
    scope: transaction === undefined ? undefined : scopeOf(transaction),
    schema: schema === encoder ? undefined : schema,
  });
}

function bare(payload: Uint8Array): Outgoing {
  return new Prepared({ payload, sequenceId: -1 });
}

function deliveryTime(message: ProducerMessage<unknown>): number | undefined {
  const { deliverAtMs, deliverAfterMs } = message;
  if (deliverAtMs === undefined && deliverAfterMs === undefined) return undefined;
  if (deliverAtMs !== undefined && deliverAfterMs !== undefined) {
    throw new PulsarError('INVALID_ARGUMENT', 'a message has either deliverAtMs or deliverAfterMs, not both');
  }
  if (deliverAtMs !== undefined) return wholeNumber('deliverAtMs', deliverAtMs);
  return Date.now() + wholeNumber('deliverAfterMs', deliverAfterMs as number);
}

function wholeNumber(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new PulsarError('INVALID_ARGUMENT', `${name} is an integer from 0 on, not ${value}`);
}
