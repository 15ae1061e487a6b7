import type { Entry } from './entry.ts';

/** What a receipt means: the oldest pending entry is stored; nothing, for it is of one that was given up; or the peers no longer agree on what was sent. */
export type ReceiptMeaning = 'stored' | 'late' | 'broken';

/** Judges a receipt by the oldest pending entry. `highestSequenceId` is signed: brokers also send -1 and 0 where they do not tell. */
export function judgeReceipt(oldest: Entry | undefined, sequenceId: number, highestSequenceId: number): ReceiptMeaning {
  if (oldest === undefined || sequenceId < oldest.sequenceId) return 'late';
  if (sequenceId > oldest.sequenceId) return 'broken';
  return sequenceId >= highestSequenceId || highestSequenceId === oldest.highestSequenceId ? 'stored' : 'broken';
}
