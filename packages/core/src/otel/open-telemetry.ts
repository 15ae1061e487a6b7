import { type MeterProvider, metrics, type TracerProvider, trace } from '@opentelemetry/api';
import type { Telemetry } from '../telemetry/port.ts';
import { metersWith } from './instruments.ts';
import { tracingWith } from './spans.ts';

/** Options of {@link createOpenTelemetry}. */
export interface OpenTelemetryOptions {
  /** Where spans go. Default: the provider that the SDK has registered; spans are dropped until it has. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Where metrics go. Default: the provider that is registered when this is called. */
  readonly meterProvider?: MeterProvider | undefined;
}

const scope = '@paystream/core';

/**
 * Makes telemetry that goes to OpenTelemetry. You bring the SDK, its exporters and a context manager, and register them
 * first; nothing here starts or stops them.
 *
 * Traces go on over calls, topics and the outbox by W3C trace context, whichever propagator is registered. Spans and their
 * attributes have the names of the semantic conventions for RPC, messaging and databases. Metrics are called by those too
 * where they name one; all others `paystream.<area>.<what>`, their units in UCUM.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/
 * @example
 * const telemetry = createOpenTelemetry();
 * const outbox = await createOutbox({ database, broker, telemetry });
 */
export function createOpenTelemetry(options: OpenTelemetryOptions = {}): Telemetry {
  const tracer = (options.tracerProvider ?? trace).getTracer(scope);
  const meter = (options.meterProvider ?? metrics).getMeter(scope);
  return { ...tracingWith(tracer), ...metersWith(meter) };
}
