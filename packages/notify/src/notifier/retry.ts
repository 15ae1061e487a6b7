import type { Random, TraceContext } from '@paystream/core';
import { DeliveryState } from '@paystream/core/contracts';
import type { Attempt } from './attempt.ts';
import type { DeliveryResult } from './delivery-store.ts';
import type { PendingDelivery } from './pending-delivery.ts';

/** When deliveries are tried again. */
export interface DeliveryRetry {
  /**
   * How often a delivery is tried in all before it has failed. Tries while the channel is away do not count; that it
   * is away for one message while others go through right after does, from the second time on. Default: 10.
   */
  readonly attempts?: number;
  /** The first wait, in milliseconds; doubles with each try, with jitter of up to a half. Default: 5,000. */
  readonly delayMs?: number;
  /** The longest wait, jitter included, in milliseconds. Default: 3,600,000. */
  readonly maxDelayMs?: number;
  /**
   * A delivery has failed when its channel has been away for so many milliseconds without a break, as this process saw it, and the
   * delivery was there all the while. Default: 604,800,000, a week.
   */
  readonly giveUpAfterMs?: number;
}

/** The defaults of {@link DeliveryRetry}. */
export const defaultRetry: Required<DeliveryRetry> = {
  attempts: 10,
  delayMs: 5_000,
  maxDelayMs: 3_600_000,
  giveUpAfterMs: 604_800_000,
};

/** How long to wait after so many tries. */
function retryDelayMs(retry: Required<DeliveryRetry>, tries: number, random: Random): number {
  const delay = retry.delayMs * 2 ** Math.min(tries - 1, 40);
  return Math.min(retry.maxDelayMs, Math.round(delay * (1 + random.next() / 2)));
}

/** What a decision rests on beside the attempt. */
export interface DecisionContext {
  readonly channel: string;
  readonly idempotent: boolean;
  readonly retry: Required<DeliveryRetry>;
  readonly random: Random;
  /** For how long nothing could be sent, up to now. */
  readonly awayForMs: number;
  readonly nowMs: number;
  /** Of the attempt, where it has a trace of its own. Default: none. */
  readonly trace?: TraceContext | undefined;
}

/** What an attempt makes of a delivery: its end, or when to try again. */
export function decide(delivery: PendingDelivery, attempt: Attempt, context: DecisionContext): DeliveryResult {
  const { retry, random, nowMs } = context;
  const tries = delivery.tries + (attempt.kind === 'away' ? 0 : 1);
  const end = (state: DeliveryState): DeliveryResult => ({
    channel: context.channel,
    delivery,
    state,
    tries,
    detail: attempt.detail,
    dueAtMs: nowMs,
    trace: delivery.resumed === true ? (context.trace ?? delivery.trace) : delivery.trace,
  });
  const again = (delayMs: number): DeliveryResult => ({ ...end(DeliveryState.PENDING), dueAtMs: nowMs + delayMs });

  if (attempt.kind === 'delivered') return end(DeliveryState.DELIVERED);
  if (attempt.kind === 'rejected') return end(DeliveryState.REJECTED);
  if (attempt.kind === 'away') {
    // Age alone says nothing: a delivery may have waited for a notifier to be started, or for its turn.
    const waitedMs = Math.min(nowMs - delivery.createdAtMs, context.awayForMs);
    return waitedMs >= retry.giveUpAfterMs ? end(DeliveryState.FAILED) : again(0);
  }
  if (attempt.kind === 'unknown' && !context.idempotent && delivery.atMostOnce) return end(DeliveryState.UNKNOWN);
  return tries >= retry.attempts ? end(DeliveryState.FAILED) : again(retryDelayMs(retry, tries, random));
}
