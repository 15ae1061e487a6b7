import { AsyncLocalStorage } from 'node:async_hooks';
import type { Labels, SpanAttributes, SpanOptions, Telemetry, TraceContext } from '../telemetry/port.ts';

/** A span that was started. */
export interface RecordedSpan {
  readonly name: string;
  readonly kind: NonNullable<SpanOptions['kind']>;
  /** Its own context. */
  readonly traceparent: string;
  readonly tracestate: string | undefined;
  /** The context that it was started in; `undefined` if it begins a trace. */
  readonly parent: TraceContext | undefined;
  readonly links: readonly TraceContext[];
  attributes: SpanAttributes;
  ended: boolean;
  error: unknown;
}

/** Telemetry that keeps what it is told, for assertions. Labels that are not asked for may be anything. */
export interface MemoryTelemetry extends Telemetry {
  /** The sum of a counter. */
  counter(name: string, labels?: Labels): number;
  /** All values of a histogram, in order. */
  observations(name: string, labels?: Labels): readonly number[];
  /** What a gauge was set to last; `undefined` if never. */
  gaugeValue(name: string, labels?: Labels): number | undefined;
  readonly spans: readonly RecordedSpan[];
}

interface Sample {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

function matching(samples: readonly Sample[], name: string, labels: Labels): readonly Sample[] {
  const wanted = Object.entries(labels);
  return samples.filter((sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value));
}

/** Makes telemetry that tests can ask. Each span is the child of the one given: its `traceparent` has the same trace id. */
export function createMemoryTelemetry(): MemoryTelemetry {
  const counts: Sample[] = [];
  const values: Sample[] = [];
  const gauges: Sample[] = [];
  const spans: RecordedSpan[] = [];
  const active = new AsyncLocalStorage<RecordedSpan>();
  const current = (): TraceContext | undefined => {
    const span = active.getStore();
    return span === undefined || span.ended ? undefined : span;
  };
  return {
    count: (name, labels, by = 1) => counts.push({ name, labels, value: by }),
    observe: (name, labels, value) => values.push({ name, labels, value }),
    gauge: (name, labels, value) => gauges.push({ name, labels, value }),
    tracing: true,
    startSpan: (name, { kind = 'internal', parent: given, links = [], attributes = {} } = {}) => {
      const parent = given === 'current' ? current() : given?.traceparent === undefined ? undefined : given;
      const spanId = (spans.length + 1).toString(16).padStart(16, '0');
      const traceId = parent?.traceparent?.split('-')[1] ?? spanId.padStart(32, '0');
      const recorded: RecordedSpan = {
        name,
        kind,
        traceparent: `00-${traceId}-${spanId}-01`,
        tracestate: parent?.tracestate,
        parent,
        links: links.filter((link) => link.traceparent !== undefined),
        attributes,
        ended: false,
        error: undefined,
      };
      spans.push(recorded);
      return {
        traceparent: recorded.traceparent,
        tracestate: recorded.tracestate,
        run: (work) => active.run(recorded, work),
        end: (error, more) => {
          if (recorded.ended) return;
          recorded.ended = true;
          recorded.error = error;
          recorded.attributes = { ...recorded.attributes, ...more };
        },
      };
    },
    current,
    detached: (work) => active.exit(work),
    counter: (name, labels = {}) => matching(counts, name, labels).reduce((sum, sample) => sum + sample.value, 0),
    observations: (name, labels = {}) => matching(values, name, labels).map((sample) => sample.value),
    gaugeValue: (name, labels = {}) => matching(gauges, name, labels).at(-1)?.value,
    spans,
  };
}
