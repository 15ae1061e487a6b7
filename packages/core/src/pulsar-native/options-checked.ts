import { refuse } from '../pulsar-adapter/topic-names.ts';
import { given } from './given.ts';
import type { PulsarNativeAdapterOptions } from './options.ts';

type ProducerOptions = NonNullable<PulsarNativeAdapterOptions['producer']>;
type ConsumerOptions = NonNullable<PulsarNativeAdapterOptions['consumer']>;

/** What the addon's numbers hold. */
const maxInt32 = 2 ** 31 - 1;
/** The last hash of a key. */
const maxHash = 65_535;

const isInteger = (value: unknown, from: number, to: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to;

/**
 * Options of producers. Throws `INVALID_ARGUMENT` / `BAD_OPTIONS` on what the addon does not refuse but throws on, which ends the
 * process, and on what leaves no room for a message.
 */
export function checkedProducer(options: ProducerOptions = {}): ProducerOptions {
  const checked = given(options);
  const { maxPendingMessages: pending, batchingMaxMessages: ofBatch, chunkingEnabled, batchingEnabled } = checked;
  if (pending !== undefined && !isInteger(pending, 1, maxInt32)) {
    refuse(`producer.maxPendingMessages wants an integer from 1 to ${maxInt32}, not ${pending}`);
  }
  if (ofBatch !== undefined && !isInteger(ofBatch, 2, maxInt32)) {
    refuse(`producer.batchingMaxMessages wants an integer from 2 to ${maxInt32}, not ${ofBatch}; batchingEnabled: false turns batches off`);
  }
  if (chunkingEnabled !== true) return checked;
  if (batchingEnabled === true) refuse('a producer makes chunks or batches: leave out chunkingEnabled or batchingEnabled');
  return { ...checked, batchingEnabled: false };
}

/** Options of consumers. Throws `INVALID_ARGUMENT` / `BAD_OPTIONS` on what the addon throws on, which ends the process. */
export function checkedConsumer(options: ConsumerOptions = {}): ConsumerOptions {
  const checked = given(options);
  const ranges = checked.keySharedPolicy?.stickyRanges;
  if (ranges === undefined) return checked;
  if (ranges.length === 0) refuse('consumer.keySharedPolicy.stickyRanges wants at least one range');
  for (const { start, end } of ranges) {
    if (!isInteger(start, 0, maxHash) || !isInteger(end, start, maxHash)) {
      refuse(`consumer.keySharedPolicy.stickyRanges wants integers from 0 to ${maxHash}, start before end, not ${start} to ${end}`);
    }
  }
  const inOrder = [...ranges].sort((one, other) => one.start - other.start);
  for (const [index, { start }] of inOrder.entries()) {
    const before = inOrder[index - 1];
    if (before !== undefined && before.end >= start) {
      refuse(`consumer.keySharedPolicy.stickyRanges overlap: ${before.start} to ${before.end} and what begins at ${start}`);
    }
  }
  return checked;
}
