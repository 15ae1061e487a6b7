import { noTelemetry, type Span, type Telemetry, type TraceContext } from './port.ts';

/** A span of several that traces: the first one's context is passed on. */
function together(spans: readonly Span[]): Span {
  const [first] = spans as readonly [Span];
  return {
    traceparent: first.traceparent,
    tracestate: first.tracestate,
    run: (work) => spans.reduceRight((inner, span) => () => span.run(inner), work)(),
    end: (error, attributes) => {
      for (const span of spans) span.end(error, attributes);
    },
  };
}

/**
 * Tells several at once: Prometheus of the metrics, OpenTelemetry of everything. The contexts that are passed on are those of
 * the first one that traces.
 *
 * @example
 * const telemetry = combineTelemetry(metrics, openTelemetry());
 */
export function combineTelemetry(...given: readonly Telemetry[]): Telemetry {
  const all = given.filter((one) => one !== noTelemetry);
  const [single = noTelemetry] = all;
  if (all.length < 2) return single;
  const tracing = all.filter((one) => one.tracing);
  const current = (): TraceContext | undefined => {
    for (const one of tracing) {
      const found = one.current();
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return {
    tracing: tracing.length > 0,
    count: (name, labels, by) => {
      for (const one of all) one.count(name, labels, by);
    },
    observe: (name, labels, value) => {
      for (const one of all) one.observe(name, labels, value);
    },
    gauge: (name, labels, value) => {
      for (const one of all) one.gauge(name, labels, value);
    },
    startSpan: (name, options) => {
      const [only, ...others] = tracing;
      if (only === undefined) return single.startSpan(name, options);
      const span = only.startSpan(name, options);
      return others.length === 0 ? span : together([span, ...others.map((one) => one.startSpan(name, options))]);
    },
    current,
    detached: (work) => tracing.reduceRight((inner, one) => () => one.detached(inner), work)(),
  };
}
