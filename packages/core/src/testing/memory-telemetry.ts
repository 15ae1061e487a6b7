import type { Labels, Telemetry } from '../telemetry/port.ts';

/** A span that was started. */
export interface RecordedSpan {
  readonly name: string;
  readonly traceparent: string | undefined;
  readonly labels: Labels;
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
  return {
    count: (name, labels, by = 1) => counts.push({ name, labels, value: by }),
    observe: (name, labels, value) => values.push({ name, labels, value }),
    gauge: (name, labels, value) => gauges.push({ name, labels, value }),
    startSpan: (name, traceparent, labels = {}) => {
      const spanId = (spans.length + 1).toString(16).padStart(16, '0');
      const traceId = traceparent?.split('-')[1] ?? spanId.padStart(32, '0');
      const recorded: RecordedSpan = { name, traceparent, labels, ended: false, error: undefined };
      spans.push(recorded);
      return {
        traceparent: `00-${traceId}-${spanId}-01`,
        end: (error) => {
          recorded.ended = true;
          recorded.error = error;
        },
      };
    },
    counter: (name, labels = {}) => matching(counts, name, labels).reduce((sum, sample) => sum + sample.value, 0),
    observations: (name, labels = {}) => matching(values, name, labels).map((sample) => sample.value),
    gaugeValue: (name, labels = {}) => matching(gauges, name, labels).at(-1)?.value,
    spans,
  };
}
