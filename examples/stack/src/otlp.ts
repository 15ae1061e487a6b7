import { context, DiagLogLevel, diag } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import type { Resource } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, type Sampler, TracerProvider } from '@opentelemetry/sdk-trace';
import { type Clock, type Logger, systemClock, type Telemetry } from '@paystream/core';
import { createOpenTelemetry } from '@paystream/core/otel';
import { collectorLog } from './collector-log.ts';

/** Options of {@link openOtlp}. */
export interface OtlpOptions {
  /** Where the collector is. */
  readonly endpoint: string;
  /** Who sends. */
  readonly resource: Resource;
  /** Which traces are sent. */
  readonly sampler: Sampler;
  /** Gets a warning while the collector is away, or takes nothing. */
  readonly logger: Logger;
  /** Default: the system clock. */
  readonly clock?: Clock | undefined;
}

/** Telemetry on its way to a collector. */
export interface Otlp {
  readonly telemetry: Telemetry;
  /** Sends what waits, then stops; what the collector does not take is lost, and the log says so. */
  close(): Promise<void>;
}

/** How long a collector may take for one export: it must not hold up a stop for long. */
const timeoutMillis = 3_000;

/** A batch is linked to each of its messages: so many has the largest. */
const linkCountLimit = 1_000;

/** An address without what it may hold of a secret. */
function shownAddress(address: string): string {
  const { protocol, host, pathname } = new URL(address);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

/** Sends traces and metrics to a collector by OTLP over HTTP. */
export function openOtlp({ endpoint, resource, sampler, logger, clock = systemClock }: OtlpOptions): Otlp {
  const url = (signal: string): string => `${endpoint.replace(/\/$/, '')}/v1/${signal}`;
  const shown = shownAddress(endpoint);
  const log = collectorLog({ logger, clock, endpoint: shown });
  diag.setLogger(log, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const traces = new OTLPTraceExporter({ url: url('traces'), timeoutMillis });
  const metrics = new OTLPMetricExporter({ url: url('metrics'), timeoutMillis });
  const spanProcessors = [new BatchSpanProcessor({ exporter: traces })];
  const tracerProvider = new TracerProvider({ resource, sampler, spanProcessors, spanLimits: { linkCountLimit } });
  const meterProvider = new MeterProvider({ resource, readers: [new PeriodicExportingMetricReader({ exporter: metrics })] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  return {
    telemetry: createOpenTelemetry({ tracerProvider, meterProvider }),
    close: async () => {
      const ended = await Promise.allSettled([tracerProvider.shutdown(), meterProvider.shutdown()]);
      context.disable();
      diag.disable();
      for (const result of ended)
        if (result.status === 'rejected')
          logger.warn({ err: result.reason, endpoint: shown }, 'the last traces or metrics could not be sent');
    },
  };
}
