import type { Telemetry, TraceContext } from '@paystream/core';

/** A step that begins by itself, because its time has come or its process is gone. */
export interface Resumed {
  /** The trace that what it does belongs to. */
  readonly trace: TraceContext | undefined;
  /** Called when the step is over, with what it failed with. */
  end(error?: unknown): void;
}

/**
 * Begins such a step: a trace of its own, linked with the one that it goes on from. That one may be days old by then, when whatever
 * collects spans has long decided about it. Where no spans are kept, the step belongs to the trace that it goes on from.
 */
export function resume(telemetry: Telemetry, what: 'payment' | 'refund', orderId: string, from: TraceContext | undefined): Resumed {
  if (!telemetry.tracing) return { trace: from, end: () => undefined };
  const links = from === undefined ? [] : [from];
  const span = telemetry.startSpan(`resume ${what}`, { links, attributes: { 'paystream.order_id': orderId } });
  return { trace: { traceparent: span.traceparent, tracestate: span.tracestate }, end: (error) => span.end(error) };
}
