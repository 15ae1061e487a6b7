import type { SendReceipt } from '../connection/port.ts';
import type { PulsarError } from '../errors/pulsar-error.ts';
import { MessageId } from '../message/message-id.ts';

/** Settles the promise of a `send`: with an id, or with a promise that is rejected. */
export type Settle = (outcome: MessageId | PromiseLike<never>) => void;

/** Rejects the promises of several sends with one error. */
export function failAll(settles: readonly Settle[], error: PulsarError): void {
  if (settles.length === 0) return;
  const failed = Promise.reject(error);
  for (const settle of settles) settle(failed);
}

/** What the chunks of one message share. */
export interface ChunkGroup {
  firstId: MessageId | undefined;
}

/** One entry of the topic to be: a message, a batch of them or a chunk of one; and what waits for it. */
export interface Entry {
  /** The SEND frame, kept until the broker has confirmed it. */
  readonly frame: Buffer;
  /** What the broker's answer names: the lowest of the entry, of a batch by key the highest. */
  readonly sequenceId: number;
  readonly highestSequenceId: number;
  /** Of a batch one for each message in order; none of a chunk that is not the last. */
  readonly settles: readonly Settle[];
  readonly batched: boolean;
  /** Bytes taken of the memory budget. */
  readonly bytes: number;
  /** By the clock of `performance.now()`. */
  readonly createdAt: number;
  readonly chunk: ChunkGroup | undefined;
  /** How often it was handed to a connection. */
  writes: number;
  /** Those who wait until everything up to here is settled. */
  flushes: Flush[] | undefined;
}

/** Somebody who waits until everything that was sent before is settled. */
export interface Flush {
  error: PulsarError | undefined;
  readonly resolve: () => void;
  readonly reject: (error: PulsarError) => void;
}

/** Lets go who waited for this and everything before it. */
export function endFlush(flush: Flush): void {
  if (flush.error === undefined) flush.resolve();
  else flush.reject(flush.error);
}

/** Resolves what waits for an entry: whole batches in one loop. */
export function confirm(entry: Entry, receipt: SendReceipt, partition: number, topic: string): void {
  const { settles, chunk } = entry;
  const { ledgerId, entryId } = receipt;
  if (entry.batched) {
    const batchSize = settles.length;
    for (let batchIndex = 0; batchIndex < batchSize; batchIndex++) {
      (settles[batchIndex] as Settle)(new MessageId({ ledgerId, entryId, partition, batchIndex, batchSize, topic, firstChunk: undefined }));
    }
    return;
  }
  const firstChunk = chunk?.firstId;
  const id = new MessageId({ ledgerId, entryId, partition, batchIndex: -1, batchSize: 0, topic, firstChunk });
  if (chunk !== undefined) chunk.firstId ??= id;
  for (const settle of settles) settle(id);
}

/** The bytes that the broker limits: payload, and of what is no batch the metadata too. */
export function limitedSize(entry: Entry): number {
  const { frame, batched } = entry;
  const metadataAt = 8 + frame.readUInt32BE(4) + 10;
  return frame.length - metadataAt - (batched ? frame.readUInt32BE(metadataAt - 4) : 0);
}
