import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import type { Resource } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Telemetry } from '@paystream/core';
import { createOpenTelemetry } from '@paystream/core/otel';

/** Telemetry on its way to a collector. */
export interface Otlp {
  readonly telemetry: Telemetry;
  /** Sends what waits, then stops. Rejects if the collector does not take it. */
  close(): Promise<void>;
}

/** How long a collector may take for one export: it must not hold up a stop for long. */
const timeoutMillis = 3_000;

/** Sends traces and metrics to a collector by OTLP over HTTP; `resource` says who sends. */
export function openOtlp(endpoint: string, resource: Resource): Otlp {
  const url = (signal: string): string => `${endpoint.replace(/\/$/, '')}/v1/${signal}`;
  const traces = new OTLPTraceExporter({ url: url('traces'), timeoutMillis });
  const metrics = new OTLPMetricExporter({ url: url('metrics'), timeoutMillis });
  const tracerProvider = new TracerProvider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter: traces })] });
  const meterProvider = new MeterProvider({ resource, readers: [new PeriodicExportingMetricReader({ exporter: metrics })] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  return {
    telemetry: createOpenTelemetry({ tracerProvider, meterProvider }),
    close: async () => {
      const ended = await Promise.allSettled([tracerProvider.shutdown(), meterProvider.shutdown()]);
      context.disable();
      for (const result of ended) if (result.status === 'rejected') throw result.reason;
    },
  };
}
