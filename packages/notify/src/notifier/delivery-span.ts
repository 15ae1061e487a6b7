import { type ErrorCode, PaystreamError, type Span, type Telemetry } from '@paystream/core';
import type { Attempt } from './attempt.ts';
import type { PendingDelivery } from './pending-delivery.ts';

const failures: Readonly<Record<Exclude<Attempt['kind'], 'delivered'>, { readonly code: ErrorCode; readonly reason: string }>> = {
  rejected: { code: 'FAILED_PRECONDITION', reason: 'DELIVERY_REJECTED' },
  deferred: { code: 'ABORTED', reason: 'DELIVERY_DEFERRED' },
  away: { code: 'UNAVAILABLE', reason: 'CHANNEL_AWAY' },
  unknown: { code: 'INTERNAL', reason: 'DELIVERY_UNKNOWN' },
};

/** Without the words of the server, which may repeat the recipient's address: these stand in the delivery's row and its entry in the log. */
function failureOf(channel: string, attempts: readonly Attempt[]): PaystreamError | undefined {
  const failed = attempts.map(({ kind }) => kind).filter((kind) => kind !== 'delivered');
  const [first] = failed;
  if (first === undefined) return undefined;
  const { code, reason } = failures[first];
  const kinds = [...new Set(failed)].join(', ');
  return new PaystreamError(code, `${failed.length} of ${attempts.length} messages did not go out by ${channel}: ${kinds}`, { reason });
}

/** The span of a call of a channel: of one message a child of its event's, unless it waited in the table; else linked with the events'. */
export function startDeliverySpan(telemetry: Telemetry, channel: string, batch: readonly PendingDelivery[]): Span {
  const traces = batch.flatMap(({ trace }) => trace ?? []);
  const [only] = batch.length === 1 ? batch : [];
  const orderId = only?.message.orderId ?? '';
  return telemetry.startSpan(`deliver ${channel}`, {
    kind: 'client',
    attributes: {
      'paystream.channel': channel,
      'paystream.deliveries': batch.length,
      ...(orderId === '' ? {} : { 'paystream.order_id': orderId }),
    },
    ...(only === undefined || only.resumed === true ? { links: traces } : { parent: only.trace }),
  });
}

/** Ends it, with an error if one of the messages did not go out. */
export function endDeliverySpan(span: Span, channel: string, attempts: readonly Attempt[]): void {
  span.end(failureOf(channel, attempts), { 'paystream.outcome': [...new Set(attempts.map(({ kind }) => kind))].join(' ') });
}
