import { type Labels, noTelemetry, type Telemetry } from '@paystream/core';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the services count, in the form that Prometheus reads. */
export interface Metrics {
  readonly telemetry: Telemetry;
  /** The text of `/metrics`. */
  render(): Promise<string>;
}

/** Seconds, from a tenth of a millisecond to two minutes. */
const buckets = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** How many share a batch. */
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** Finds the metric of a name, or makes it on first use with the labels that it comes with. */
function registered<M>(make: (name: string, labelNames: string[]) => M): (name: string, labels: Labels) => M {
  const known = new Map<string, M>();
  return (name, labels) => {
    let metric = known.get(name);
    if (metric === undefined) {
      metric = make(name, Object.keys(labels));
      known.set(name, metric);
    }
    return metric;
  };
}

/** Counts with prom-client, in a registry of its own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const common = (name: string, labelNames: string[]) => ({ name, labelNames, help: name.replaceAll('_', ' '), registers: [registry] });
  const counters = registered((name, labels) => new Counter(common(name, labels)));
  const gauges = registered((name, labels) => new Gauge(common(name, labels)));
  const histograms = registered(
    (name, labels) => new Histogram({ ...common(name, labels), buckets: name.endsWith('_seconds') ? buckets : sizes }),
  );
  return {
    telemetry: {
      ...noTelemetry,
      count: (name, labels, by = 1) => counters(name, labels).inc(labels, by),
      observe: (name, labels, value) => histograms(name, labels).observe(labels, value),
      gauge: (name, labels, value) => gauges(name, labels).set(labels, value),
    },
    render: () => registry.metrics(),
  };
}
