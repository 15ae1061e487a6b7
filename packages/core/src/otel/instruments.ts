import type { Attributes, Meter, MetricOptions } from '@opentelemetry/api';
import type { Labels, Telemetry } from '../telemetry/port.ts';
import { attributesIn, conventions, type Translate } from './conventions.ts';

/** How a metric of the packages is called in OpenTelemetry. */
export interface OtelMetric {
  readonly name: string;
  /** As UCUM writes it: `s`, `By`, `{message}`. */
  readonly unit: string;
  /** Makes attributes of its labels. */
  readonly attributes: Translate;
}

/** What an area counts where a metric's name does not say. */
const countedIn: Readonly<Record<string, string>> = {
  consumer: 'message',
  producer: 'message',
  outbox: 'message',
  broker: 'message',
  pulsar: 'partition',
  rpc: 'call',
  database: 'transaction',
  batcher: 'item',
  notify: 'delivery',
};

/** `{entry}` for `sink_entries`; `1` for what is either so or not. */
function unitOf(area: string, what: string): string {
  if (what.endsWith('paused') || what.endsWith('cut_off')) return '1';
  const plural = [...what.split('_'), area].find((word) => word.endsWith('s'));
  const counted = plural?.replace(/ies$/, 'y').replace(/s$/, '') ?? countedIn[area];
  return counted === undefined ? '1' : `{${counted}}`;
}

/** Translates a metric's name: `paystream_outbox_lag_seconds` is `paystream.outbox.lag` in `s`. */
export function otelMetric(name: string): OtelMetric {
  const [, area = '', rest = ''] = /^paystream_([a-z]+)_(.+)$/.exec(name) ?? [];
  const endsWithSeconds = name.endsWith('_seconds');
  const bare = rest.replace(/_(total|seconds)$/, '');
  const own = rest === '' ? name : `paystream.${area}${bare === 'total' || bare === 'seconds' ? '' : `.${bare}`}`;
  const unit = endsWithSeconds ? 's' : unitOf(area, bare);
  return { unit, ...(conventions[name] ?? { name: own, attributes: attributesIn(area) }) };
}

/** Seconds, from a tenth of a millisecond to ten minutes. */
const seconds = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 600];
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

interface Instrument {
  record(value: number, attributes: Attributes): void;
}

/** Labels that come again are translated once. */
function remembered(translate: Translate): Translate {
  const translated = new WeakMap<Labels, Attributes>();
  return (labels) => {
    let attributes = translated.get(labels);
    if (attributes === undefined) {
      attributes = translate(labels);
      translated.set(labels, attributes);
    }
    return attributes;
  };
}

/** Finds the instrument of a metric, or makes it on first use. */
function instruments(make: (metric: OtelMetric) => Instrument): (name: string, labels: Labels, value: number) => void {
  const known = new Map<string, { readonly instrument: Instrument; readonly attributes: Translate }>();
  return (name, labels, value) => {
    let found = known.get(name);
    if (found === undefined) {
      const metric = otelMetric(name);
      found = { instrument: make(metric), attributes: remembered(metric.attributes) };
      known.set(name, found);
    }
    found.instrument.record(value, found.attributes(labels));
  };
}

/** The half of the port that measures. */
export function metersWith(meter: Meter): Pick<Telemetry, 'count' | 'observe' | 'gauge'> {
  const optionsOf = ({ unit }: OtelMetric): MetricOptions => ({ unit });
  const counters = instruments((metric) => {
    const counter = meter.createCounter(metric.name, optionsOf(metric));
    return { record: (value, attributes) => counter.add(value, attributes) };
  });
  const histograms = instruments((metric) => {
    const explicitBucketBoundaries = metric.unit === 's' ? seconds : sizes;
    return meter.createHistogram(metric.name, { ...optionsOf(metric), advice: { explicitBucketBoundaries } });
  });
  const gauges = instruments((metric) => meter.createGauge(metric.name, optionsOf(metric)));
  return { count: (name, labels, by = 1) => counters(name, labels, by), observe: histograms, gauge: gauges };
}
