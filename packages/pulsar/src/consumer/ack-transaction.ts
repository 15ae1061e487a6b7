import { BitSet } from '../message/bit-set.ts';
import type { Entry } from '../message/entry.ts';
import type { Transaction } from '../transaction/port.ts';
import { scopeOf } from '../transaction/scope.ts';
import { encodeAck, type WirePosition } from '../wire/commands.ts';
import { type CallOptions, callReady } from './session-calls.ts';

/** What an acknowledgement in a transaction is made for. */
export interface TransactionAckOptions extends CallOptions {
  readonly consumerId: number;
  readonly subscription: string;
}

/** An acknowledgement in a transaction. */
export interface TransactionAck {
  readonly transaction: Transaction;
  readonly entry: Entry<unknown>;
  /** -1: not of a batch. */
  readonly batchIndex: number;
  /** Whether everything before it is acknowledged too. */
  readonly cumulative: boolean;
  /** Called if the transaction does not commit, after a cumulative acknowledgement: the broker does not deliver again by itself. */
  readonly onAborted: () => void;
}

/** Acknowledges as a part of a transaction; resolves when the broker has noted it. Rejects with `TRANSACTION_CONFLICT` if another one has. */
export async function acknowledgeInTransaction(options: TransactionAckOptions, ack: TransactionAck): Promise<void> {
  const { transaction, entry, batchIndex, cumulative, onAborted } = ack;
  const scope = scopeOf(transaction);
  const send = async (): Promise<void> => {
    await scope.addSubscription(options.topic, options.subscription);
    await callReady(options, async (connection) => {
      const requestId = connection.nextRequestId();
      const answer = connection.awaitAnswer(requestId, 'ACK');
      connection.write(
        encodeAck({
          consumerId: options.consumerId,
          type: cumulative ? 'cumulative' : 'individual',
          positions: positionsOf(entry, batchIndex, cumulative),
          txnLeastBits: scope.leastBits,
          txnMostBits: scope.mostBits,
          requestId,
        }),
      );
      await answer;
    });
  };
  if (cumulative) scope.onAborted(onAborted);
  await scope.track(send());
  if (batchIndex >= 0) entry.inTransaction = true;
  if (cumulative) entry.acknowledgeThrough(batchIndex);
  else entry.acknowledge(batchIndex);
}

/** Every chunk; or of a batch that one message, or all up to it, and never what other acknowledgements have left of it. */
function positionsOf(entry: Entry<unknown>, batchIndex: number, cumulative: boolean): readonly WirePosition[] {
  const { ledgerId, entryId, batchSize, chunks } = entry;
  if (batchIndex < 0) return cumulative || chunks === undefined ? [{ ledgerId, entryId }] : chunks;
  const left = new BitSet(batchSize);
  if (cumulative) left.clearThrough(batchIndex);
  else left.clear(batchIndex);
  // A cumulative acknowledgement of the last message is one of the whole entry.
  return left.count === 0 && cumulative ? [{ ledgerId, entryId }] : [{ ledgerId, entryId, ackSet: left.toAckSet(), batchSize }];
}
