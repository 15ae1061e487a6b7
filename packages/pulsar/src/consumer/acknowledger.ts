import { PulsarError } from '../errors/pulsar-error.ts';
import { BitSet } from '../message/bit-set.ts';
import type { Entry } from '../message/entry.ts';
import type { MessageId } from '../message/message-id.ts';
import { type AckGrouping, done } from './ack-grouping.ts';

/** How many batches are kept in mind of which ids were acknowledged that came from elsewhere. */
const MAX_FOREIGN = 10_000;

/** Options of {@link Acknowledger}. */
export interface AcknowledgerOptions {
  readonly grouping: AckGrouping;
  readonly batchIndexAck: boolean;
  /** Every message of the entry is acknowledged. */
  readonly onDone: (entry: Entry<unknown>) => void;
}

/** Makes acknowledgements of entries out of those of messages: an entry is acknowledged when all its messages are. */
export class Acknowledger {
  readonly #options: AcknowledgerOptions;
  /** Batches of which only ids are known. */
  readonly #foreign = new Map<string, BitSet>();

  constructor(options: AcknowledgerOptions) {
    this.#options = options;
  }

  /** Acknowledges the message at an index, -1 outside a batch. */
  one(entry: Entry<unknown>, index: number): Promise<void> {
    const { grouping, batchIndexAck, onDone } = this.#options;
    if (!entry.acknowledge(index)) return done;
    if (entry.acknowledged) onDone(entry);
    if (entry.inTransaction && index >= 0) return grouping.add(entry.ledgerId, entry.entryId, allBut(entry.batchSize, index));
    if (entry.acknowledged) return this.whole(entry);
    return batchIndexAck ? grouping.add(entry.ledgerId, entry.entryId, entry.left) : done;
  }

  /** Acknowledges all of an entry: of a message in chunks each of them. */
  whole(entry: Entry<unknown>): Promise<void> {
    const { grouping } = this.#options;
    if (entry.chunks === undefined) return grouping.add(entry.ledgerId, entry.entryId);
    let last = done;
    for (const { ledgerId, entryId } of entry.chunks) last = grouping.add(ledgerId, entryId);
    return last;
  }

  /** Acknowledges everything up to and with the message at an index, -1 outside a batch. */
  through(entry: Entry<unknown>, index: number): Promise<void> {
    const { ledgerId, entryId } = entry;
    entry.acknowledgeThrough(index);
    if (entry.acknowledged) {
      this.#options.onDone(entry);
      return this.#options.grouping.addCumulative({ ledgerId, entryId });
    }
    return this.#throughPart(ledgerId, entryId, entry.left, index);
  }

  #throughPart(ledgerId: bigint, entryId: bigint, left: BitSet, index: number): Promise<void> {
    const { grouping, batchIndexAck } = this.#options;
    if (batchIndexAck) return grouping.addCumulative({ ledgerId, entryId, ackSet: left.toAckSet(), batchSize: left.size }, index);
    // The entry has to come again as a whole; what is before it has not. Before the first entry of a ledger there is nothing to name.
    return entryId > 0n ? grouping.addCumulative({ ledgerId, entryId: entryId - 1n }) : done;
  }

  /** Acknowledges by an id that was kept or came from elsewhere. Throws `INVALID_ARGUMENT` if it says too little. */
  oneById(id: MessageId): Promise<void> {
    const { grouping, batchIndexAck } = this.#options;
    const { ledgerId, entryId, firstChunk } = id;
    if (id.batchIndex < 0) {
      const last = grouping.add(ledgerId, entryId);
      return firstChunk === undefined
        ? last
        : Promise.all([grouping.add(firstChunk.ledgerId, firstChunk.entryId), last]).then(() => undefined);
    }
    const left = this.#foreignBatch(id);
    left.clear(id.batchIndex);
    if (left.count === 0) {
      this.#foreign.delete(keyOf(id));
      return grouping.add(ledgerId, entryId);
    }
    return batchIndexAck ? grouping.add(ledgerId, entryId, left) : done;
  }

  /** The same for everything up to and with an id. */
  throughById(id: MessageId): Promise<void> {
    const { ledgerId, entryId, batchIndex } = id;
    if (batchIndex < 0) return this.#options.grouping.addCumulative({ ledgerId, entryId });
    const left = this.#foreignBatch(id);
    left.clearThrough(batchIndex);
    if (left.count > 0) return this.#throughPart(ledgerId, entryId, left, batchIndex);
    this.#foreign.delete(keyOf(id));
    return this.#options.grouping.addCumulative({ ledgerId, entryId });
  }

  #foreignBatch(id: MessageId): BitSet {
    if (id.batchSize <= id.batchIndex) {
      const why = 'it does not say how large its batch is; acknowledge the message itself, or keep ids by toBytes()';
      throw new PulsarError('INVALID_ARGUMENT', `the message id ${id} cannot be acknowledged: ${why}`);
    }
    const key = keyOf(id);
    let left = this.#foreign.get(key);
    if (left === undefined) {
      left = new BitSet(id.batchSize);
      this.#foreign.set(key, left);
      const [oldest] = this.#foreign.keys();
      if (this.#foreign.size > MAX_FOREIGN && oldest !== undefined) this.#foreign.delete(oldest);
    }
    return left;
  }

  /** Forgets what was acknowledged: the cursor was moved. */
  reset(): void {
    this.#foreign.clear();
  }
}

function keyOf(id: MessageId): string {
  return `${id.ledgerId}:${id.entryId}`;
}

function allBut(size: number, index: number): BitSet {
  const left = new BitSet(size);
  left.clear(index);
  return left;
}
