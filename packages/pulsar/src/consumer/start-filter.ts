import { MessageId } from '../message/message-id.ts';

/** Where a reader starts, or a cursor was moved to: what comes before is not to be seen, though the broker sends whole entries. */
export interface StartPosition {
  readonly id: MessageId;
  /** Whether the message of that id is to be seen. */
  readonly inclusive: boolean;
}

/** Whether a message lies before the start. `batchIndex` -1: not of a batch. */
export function isBeforeStart(start: StartPosition, ledgerId: bigint, entryId: bigint, batchIndex: number): boolean {
  const { id, inclusive } = start;
  if (id.ledgerId === MessageId.latest.ledgerId) return false;
  if (ledgerId !== id.ledgerId) return ledgerId < id.ledgerId;
  if (entryId !== id.entryId) return entryId < id.entryId;
  if (batchIndex < 0 || id.batchIndex < 0) return !inclusive;
  return inclusive ? batchIndex < id.batchIndex : batchIndex <= id.batchIndex;
}
