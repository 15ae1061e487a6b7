import { type Clock, PaystreamError } from '@paystream/core';
import type { Channel, DeliveryOutcome } from '../channel/port.ts';
import type { PendingDelivery } from './pending-delivery.ts';

/** What one try of one delivery came to. */
export type Attempt =
  | { readonly kind: 'delivered'; readonly detail: string }
  | { readonly kind: 'rejected'; readonly detail: string }
  /** Not sent; nothing can be sent now. */
  | { readonly kind: 'away'; readonly detail: string }
  /** Not sent; it may be later. */
  | { readonly kind: 'deferred'; readonly detail: string }
  /** Perhaps sent. */
  | { readonly kind: 'unknown'; readonly detail: string };

const longestDetail = 500;

function short(text: string): string {
  return text.length <= longestDetail ? text : `${text.slice(0, longestDetail)}…`;
}

function attemptOf(outcome: DeliveryOutcome | undefined): Attempt {
  if (outcome?.outcome === 'delivered') return { kind: 'delivered', detail: short(outcome.detail ?? '') };
  if (outcome?.outcome === 'rejected') return { kind: 'rejected', detail: short(outcome.reason) };
  return { kind: 'unknown', detail: 'the channel gave no outcome for this message' };
}

function failureOf(error: unknown): Attempt {
  const failure = PaystreamError.from(error);
  const detail = short(`${failure.reason}: ${failure.message}`);
  if (failure.code === 'UNAVAILABLE') return { kind: 'away', detail };
  if (failure.code === 'ABORTED' || failure.code === 'RESOURCE_EXHAUSTED') return { kind: 'deferred', detail };
  return { kind: 'unknown', detail };
}

/** Rejects as soon as the signal is aborted, whether or not the channel heeds it: one that does not would hold its place for ever. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

async function withTimeLimit<T>(clock: Clock, timeoutMs: number, stop: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const limit = new AbortController();
  const late = new PaystreamError('DEADLINE_EXCEEDED', `the channel did not answer within ${timeoutMs} ms`, {
    reason: 'CHANNEL_TIMED_OUT',
  });
  const timer = clock.setTimer(timeoutMs, () => limit.abort(late), { unref: true });
  const signal = AbortSignal.any([limit.signal, stop]);
  try {
    return await unlessAborted(work(signal), signal);
  } finally {
    timer.cancel();
  }
}

/** How deliveries are tried. */
export interface AttemptOptions {
  readonly channel: Channel;
  /** How long one call of the channel may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Aborted when the notifier will wait no longer. */
  readonly stop: AbortSignal;
}

async function attemptOne(options: AttemptOptions, delivery: PendingDelivery): Promise<Attempt> {
  const { channel, timeoutMs, clock, stop } = options;
  try {
    return attemptOf(await withTimeLimit(clock, timeoutMs, stop, (signal) => channel.deliver(delivery.message, { signal })));
  } catch (error) {
    return failureOf(error);
  }
}

/** Tries some deliveries, all at once if the channel can. One attempt for each, in their order; never rejects. */
export async function attemptAll(options: AttemptOptions, deliveries: readonly PendingDelivery[]): Promise<readonly Attempt[]> {
  const { channel, timeoutMs, clock, stop } = options;
  if (channel.deliverAll === undefined || deliveries.length === 1) {
    return Promise.all(deliveries.map((delivery) => attemptOne(options, delivery)));
  }
  const messages = deliveries.map((delivery) => delivery.message);
  const deliverAll = channel.deliverAll.bind(channel);
  try {
    const outcomes = await withTimeLimit(clock, timeoutMs, stop, (signal) => deliverAll(messages, { signal }));
    return deliveries.map((_, index) => attemptOf(outcomes[index]));
  } catch (error) {
    const failure = failureOf(error);
    // One message at fault must not take the others with it; where sending again could send twice there is no finding out.
    const alone = failure.kind === 'deferred' || (failure.kind === 'unknown' && channel.capabilities.idempotent !== false);
    if (!alone || stop.aborted) return deliveries.map(() => failure);
    const attempts: Attempt[] = [];
    for (const delivery of deliveries) attempts.push(await attemptOne(options, delivery));
    return attempts;
  }
}
