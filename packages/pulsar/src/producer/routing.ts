import { PulsarError } from '../errors/pulsar-error.ts';
import { javaStringHash, type KeyHash, murmur3Hash } from '../message/hash.ts';
import type { Outgoing, ProducerMessage } from './message.ts';
import type { PartitionRouter, ProducerOptions } from './options.ts';

/** Chooses a partition: `message` is what the application sent, `outgoing` what became of it. */
export type Router<T> = (message: ProducerMessage<T>, outgoing: Outgoing, partitions: number) => number;

/** What a router can ask of the partitions. */
export interface PartitionLoad {
  /** How many batches a partition has sent. */
  batchesSent(partition: number): number;
}

const hashes: Readonly<Record<'java' | 'murmur3', KeyHash>> = { java: javaStringHash, murmur3: murmur3Hash };

/**
 * The router that options ask for: a key decides, by its text or its base64; what has none goes where the last one went until
 * that partition has sent its batch, or to one partition for ever.
 */
export function createRouter<T>(
  options: Pick<ProducerOptions<T>, 'routing' | 'hashing' | 'batching'>,
  load: PartitionLoad,
  random: () => number = Math.random,
): Router<T> {
  const { routing = 'round-robin', hashing = 'java', batching } = options;
  if (typeof routing === 'function') return customRouter(routing);
  if (!Object.hasOwn(hashes, hashing)) throw new PulsarError('INVALID_ARGUMENT', `hashing is java or murmur3, not ${String(hashing)}`);
  if (routing !== 'round-robin' && routing !== 'single-partition') {
    throw new PulsarError('INVALID_ARGUMENT', `routing is round-robin, single-partition or a function, not ${String(routing)}`);
  }
  const hash = hashes[hashing];
  const start = random();
  let turn: number | undefined;
  let batchesBefore = 0;

  function inTurn(partitions: number): number {
    if (turn === undefined) turn = Math.floor(start * partitions);
    else if (batching === false || load.batchesSent(turn) !== batchesBefore) turn = (turn + 1) % partitions;
    batchesBefore = load.batchesSent(turn);
    return turn;
  }

  let single: number | undefined;
  return (_message, { partitionKey }, partitions) => {
    if (partitionKey !== undefined) return hash(partitionKey) % partitions;
    if (routing === 'round-robin') return inTurn(partitions);
    single ??= Math.floor(start * partitions);
    return single;
  };
}

function customRouter<T>(route: PartitionRouter<T>): Router<T> {
  return (message, _outgoing, partitions) => {
    const partition = route(message, partitions);
    if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition;
    throw new PulsarError('INVALID_ARGUMENT', `the router chose partition ${partition} of ${partitions}`);
  };
}
