import type { Attributes, Meter, MetricOptions } from '@opentelemetry/api';
import type { Labels, Telemetry } from '../telemetry/port.ts';

/** How a metric of the packages is called in OpenTelemetry. */
export interface OtelMetric {
  readonly name: string;
  /** As UCUM writes it: `s`, `By`, `{message}`. */
  readonly unit: string;
  /** Names of attributes that the semantic conventions have for labels; others keep theirs, with `paystream.` before it. */
  readonly attributes: Readonly<Record<string, string>>;
}

const messaging = {
  topic: 'messaging.destination.name',
  subscription: 'messaging.destination.subscription.name',
  system: 'messaging.system.name',
} as const;
const rpc = { method: 'rpc.method', code: 'rpc.response.status_code', system: 'rpc.system.name' } as const;
const database = { system: 'db.system.name', operation: 'db.operation.name' } as const;

/** Metrics that the semantic conventions have names for. */
const conventional: Readonly<Record<string, string>> = {
  paystream_consumer_handler_seconds: 'messaging.process.duration',
  paystream_producer_send_seconds: 'messaging.client.operation.duration',
  paystream_rpc_seconds: 'rpc.server.call.duration',
  paystream_database_seconds: 'db.client.operation.duration',
};

/** What an area counts where a metric's name does not say. */
const countedIn: Readonly<Record<string, string>> = {
  consumer: 'message',
  producer: 'message',
  outbox: 'message',
  broker: 'message',
  rpc: 'call',
  database: 'transaction',
  batcher: 'item',
  notify: 'delivery',
};

/** `{entry}` for `sink_entries`; `1` for what is either so or not. */
function unitOf(area: string, what: string): string {
  if (what.endsWith('paused')) return '1';
  const plural = [...what.split('_'), area].find((word) => word.endsWith('s'));
  const counted = plural?.replace(/ies$/, 'y').replace(/s$/, '') ?? countedIn[area];
  return counted === undefined ? '1' : `{${counted}}`;
}

function attributesOf(area: string): Readonly<Record<string, string>> {
  if (area === 'rpc') return rpc;
  return area === 'database' ? database : messaging;
}

/** Translates a metric's name: `paystream_outbox_lag_seconds` is `paystream.outbox.lag` in `s`. */
export function otelMetric(name: string): OtelMetric {
  const [, area = '', rest = ''] = /^paystream_([a-z]+)_(.+)$/.exec(name) ?? [];
  const endsWithSeconds = name.endsWith('_seconds');
  const bare = rest.replace(/_(total|seconds)$/, '');
  const own = rest === '' ? name : `paystream.${area}${bare === 'total' || bare === 'seconds' ? '' : `.${bare}`}`;
  const unit = endsWithSeconds ? 's' : unitOf(area, bare);
  return { name: conventional[name] ?? own, unit, attributes: attributesOf(area) };
}

/** Seconds, from a tenth of a millisecond to ten minutes. */
const seconds = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 600];
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

interface Instrument {
  record(value: number, attributes: Attributes): void;
}

/** Finds the instrument of a metric, or makes it on first use; labels that come again are translated once. */
function instruments(make: (metric: OtelMetric) => Instrument): (name: string, labels: Labels, value: number) => void {
  const known = new Map<string, { readonly instrument: Instrument; readonly metric: OtelMetric }>();
  const translated = new WeakMap<Labels, Attributes>();
  const translate = (labels: Labels, metric: OtelMetric): Attributes => {
    const attributes: Attributes = {};
    for (const [label, value] of Object.entries(labels)) attributes[metric.attributes[label] ?? `paystream.${label}`] = value;
    translated.set(labels, attributes);
    return attributes;
  };
  return (name, labels, value) => {
    let found = known.get(name);
    if (found === undefined) {
      const metric = otelMetric(name);
      found = { metric, instrument: make(metric) };
      known.set(name, found);
    }
    found.instrument.record(value, translated.get(labels) ?? translate(labels, found.metric));
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
