import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { MessageId as AddonMessageId } from 'pulsar-client';
import type { MessageId, Position } from '../broker/port.ts';
import { refuse } from '../pulsar-adapter/topic-names.ts';
import type { Addon } from './options.ts';

/** A message id taken apart. */
export interface Place {
  readonly ledger: bigint;
  readonly entry: bigint;
  /** -1: of a topic without partitions. */
  readonly partition: number;
  /** -1: not of a batch. */
  readonly batchIndex: number;
}

/** Where the addon says that a message lies. Of one in chunks the addon names the first chunk before the last. */
export function placeOf(id: AddonMessageId): Place {
  const [, ledger = '', entry = '', partition, batchIndex] = /\((-?\d+),(-?\d+),(-?\d+),(-?\d+)\)$/.exec(id.toString()) ?? [];
  return { ledger: BigInt(ledger), entry: BigInt(entry), partition: Number(partition), batchIndex: Number(batchIndex) };
}

/** The same text as that of `@paystream/core/pulsar`: one may take up what the other kept. */
export function textOf({ ledger, entry, partition, batchIndex }: Place): MessageId {
  return `${ledger}:${entry}:${partition}${batchIndex < 0 ? '' : `:${batchIndex}`}`;
}

/** Reads what `textOf` writes. Throws `INVALID_ARGUMENT`. */
export function parsePlace(id: MessageId): Place {
  const match = /^(\d{1,19}):(\d{1,19}):(-1|\d{1,9})(?::(-1|\d{1,9}))?$/.exec(id);
  if (match === null) return refuse(`"${id}" is no message id: "ledger:entry:partition[:batchIndex]" is expected`);
  const [, ledger = '', entry = '', partition, batchIndex = -1] = match;
  return { ledger: BigInt(ledger), entry: BigInt(entry), partition: Number(partition), batchIndex: Number(batchIndex) };
}

/** Whether one lies behind another of the same partition. */
export function isBehind(one: Place, other: Place): boolean {
  if (one.ledger !== other.ledger) return one.ledger > other.ledger;
  return one.entry === other.entry ? one.batchIndex > other.batchIndex : one.entry > other.entry;
}

/** No batch has a message of this index. */
const behindBatch = 2 ** 31 - 1;

/**
 * The place just before: who begins behind it begins with the message itself. The entry before may be a batch, and the addon passes
 * over no message of a batch whose index is not told.
 */
export function placeBefore(place: Place): Place {
  if (place.batchIndex > 0) return { ...place, batchIndex: place.batchIndex - 1 };
  return { ...place, entry: place.entry - 1n, batchIndex: behindBatch };
}

/** A place as the addon takes it: it reads the bytes of `MessageIdData` of Pulsar's protocol, and ends the process on others. */
export function toAddonId(addon: Addon, { ledger, entry, partition, batchIndex }: Place): AddonMessageId {
  const writer = new BinaryWriter().uint32(8).uint64(ledger).uint32(16).uint64(BigInt.asUintN(64, entry));
  if (partition >= 0) writer.uint32(24).int32(partition);
  if (batchIndex >= 0) writer.uint32(32).int32(batchIndex);
  return addon.MessageId.deserialize(Buffer.from(writer.finish()));
}

/** `earliest`, `latest` or a place as the addon takes it. */
export function addonPosition(
  addon: Addon,
  position: Exclude<Position, { readonly timeMs: number } | { readonly messageId: MessageId }> | Place,
): AddonMessageId {
  if (position === 'earliest') return addon.MessageId.earliest();
  return position === 'latest' ? addon.MessageId.latest() : toAddonId(addon, position);
}
