import type { Telemetry } from '@paystream/core';

/**
 * For the `mixin` of a pino of yours: gives each line the `traceparent` of the span in which it was written, unless it
 * names another. Entries on a log topic have its trace id as `trace_id`.
 *
 * @example
 * const log = pino({ mixin: traceMixin(telemetry) }, destination);
 */
export function traceMixin(telemetry: Pick<Telemetry, 'current'>): () => { traceparent?: string } {
  return () => {
    const traceparent = telemetry.current()?.traceparent;
    return traceparent === undefined ? {} : { traceparent };
  };
}
