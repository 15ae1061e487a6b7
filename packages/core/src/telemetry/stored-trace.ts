import type { TraceContext } from './port.ts';

const length = 55;
const form = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/s;

/**
 * What a column keeps of a trace context, so that work which is taken up later, perhaps by another process, can be linked with it:
 * its `traceparent`, of exactly 55 characters, or `null` for none. `tracestate` is left out. What is not as W3C Trace Context has it,
 * for it came from a caller, counts as none: it must never keep a row from being stored.
 *
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 * @example
 * await tx.execute('INSERT INTO jobs (id, traceparent) VALUES (?, ?)', [id, toStoredTrace(trace)]);
 */
export function toStoredTrace(trace: TraceContext | undefined): string | null {
  const traceparent = trace?.traceparent?.trim() ?? '';
  if (!form.test(traceparent) || (traceparent.length > length && traceparent.startsWith('00'))) return null;
  return traceparent.slice(0, length);
}

/** Reads what {@link toStoredTrace} gave; `undefined` for none. */
export function fromStoredTrace(stored: string | null): TraceContext | undefined {
  return stored === null ? undefined : { traceparent: stored };
}
