import {
  type Context,
  context,
  type Link,
  ROOT_CONTEXT,
  type Span as SdkSpan,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { PaystreamError } from '../errors/paystream-error.ts';
import { isServerFault } from '../rpc/outcome.ts';
import type { Span, SpanAttributes, SpanOptions, Telemetry, TraceContext } from '../telemetry/port.ts';
import { readTraceContext, writeTraceContext } from './trace-context.ts';

const kinds: Readonly<Record<NonNullable<SpanOptions['kind']>, SpanKind>> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

/** Spans that were ended here: one that is not sampled does not tell by itself. */
const endedSpans = new WeakSet<SdkSpan>();

/** The span that is current and still open. Work in the background may outlive the span in which it began. */
function openSpan(): SdkSpan | undefined {
  const span = trace.getSpan(context.active());
  if (span === undefined || endedSpans.has(span)) return undefined;
  const { traceFlags, isRemote } = span.spanContext();
  const sampled = (traceFlags & 1) === 1;
  return sampled && isRemote !== true && !span.isRecording() ? undefined : span;
}

function parentContext(parent: SpanOptions['parent']): Context {
  if (parent === undefined) return ROOT_CONTEXT;
  if (parent === 'current') return openSpan() === undefined ? ROOT_CONTEXT : context.active();
  const remote = readTraceContext(parent);
  return remote === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote);
}

function linksOf(links: SpanOptions['links']): Link[] {
  const found = new Map<string, Link>();
  for (const link of links ?? []) {
    const linked = readTraceContext(link);
    if (linked !== undefined) found.set(linked.spanId, { context: linked });
  }
  return [...found.values()];
}

function fail(span: SdkSpan, kind: SpanKind, thrown: unknown, type: SpanAttributes[string] | undefined): void {
  const error = PaystreamError.from(thrown);
  span.setAttribute('paystream.reason', error.reason);
  if (kind === SpanKind.SERVER && !isServerFault(error.code)) return;
  span.setAttribute('error.type', type ?? error.reason);
  span.recordException(thrown instanceof Error ? thrown : error);
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}

function started(span: SdkSpan, kind: SpanKind, parent: Context): Span {
  const { traceparent, tracestate } = writeTraceContext(span.spanContext());
  return {
    traceparent,
    tracestate,
    run: (work) => context.with(trace.setSpan(parent, span), work),
    end: (error: unknown, attributes?: SpanAttributes) => {
      if (endedSpans.has(span)) return;
      endedSpans.add(span);
      if (attributes !== undefined) span.setAttributes(attributes);
      const type = attributes?.['error.type'];
      if (error !== undefined) fail(span, kind, error, type);
      else if (type !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

/** The half of the port that traces. */
export function tracingWith(tracer: Tracer): Pick<Telemetry, 'tracing' | 'startSpan' | 'current' | 'detached'> {
  return {
    tracing: true,
    startSpan: (name, options = {}) => {
      const kind = kinds[options.kind ?? 'internal'];
      const parent = parentContext(options.parent);
      const links = linksOf(options.links);
      return started(tracer.startSpan(name, { kind, links, attributes: { ...options.attributes } }, parent), kind, parent);
    },
    current: (): TraceContext | undefined => {
      const span = openSpan();
      return span === undefined ? undefined : writeTraceContext(span.spanContext());
    },
    detached: (work) => context.with(ROOT_CONTEXT, work),
  };
}
