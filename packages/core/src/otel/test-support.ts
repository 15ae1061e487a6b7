import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Telemetry } from '../telemetry/port.ts';
import { createOpenTelemetry } from './open-telemetry.ts';

/** Telemetry that goes to the SDK of OpenTelemetry, and what arrived there. */
export interface Sdk {
  readonly telemetry: Telemetry;
  spans(): readonly ReadableSpan[];
  metrics(): Promise<readonly { readonly name: string; readonly unit: string; readonly points: readonly object[] }[]>;
}

export function createSdk(): Sdk {
  const spans = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const meterProvider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] });
  return {
    telemetry: createOpenTelemetry({ tracerProvider, meterProvider }),
    spans: () => spans.getFinishedSpans(),
    metrics: async () => {
      await meterProvider.forceFlush();
      const found = exporter.getMetrics().flatMap((batch) => batch.scopeMetrics.flatMap((scope) => scope.metrics));
      return found.map(({ descriptor, dataPoints }) => ({ name: descriptor.name, unit: descriptor.unit, points: dataPoints }));
    },
  };
}
