import { createTraceState, INVALID_SPANID, INVALID_TRACEID, type SpanContext } from '@opentelemetry/api';
import type { TraceContext } from '../telemetry/port.ts';

// https://www.w3.org/TR/trace-context/#traceparent-header; versions to come may add fields.
const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Reads a context that came from elsewhere; `undefined` for none, or for one that is not as W3C Trace Context has it. */
export function readTraceContext({ traceparent, tracestate }: TraceContext): SpanContext | undefined {
  if (traceparent === undefined) return undefined;
  const [, version, traceId, spanId, flags, more] = form.exec(traceparent.trim()) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === 'ff' || (version === '00' && more !== undefined) || traceId === INVALID_TRACEID || spanId === INVALID_SPANID)
    return undefined;
  const traceFlags = Number.parseInt(flags, 16);
  return tracestate === undefined || tracestate === ''
    ? { traceId, spanId, traceFlags, isRemote: true }
    : { traceId, spanId, traceFlags, isRemote: true, traceState: createTraceState(tracestate) };
}

/** Writes a context to be passed on. */
export function writeTraceContext({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  if (traceId === INVALID_TRACEID) return { traceparent: undefined, tracestate: undefined };
  const flags = traceFlags.toString(16).padStart(2, '0');
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate: traceState?.serialize() || undefined };
}
