import type { Telemetry } from '@paystream/core';

/** Of pino, what is asked here; old versions do not give it to a mixin. */
interface PinoLogger {
  bindings(): Readonly<Record<string, unknown>>;
}

/**
 * For the `mixin` of a pino of yours: gives each line the `traceparent` of the span in which it was written, unless it
 * or its child logger names another. Entries on a log topic have its trace id as `trace_id`.
 *
 * @example
 * const log = pino({ mixin: traceMixin(telemetry) }, destination);
 */
export function traceMixin(
  telemetry: Pick<Telemetry, 'current'>,
): (fields: object, level: number, logger: unknown) => { traceparent?: string } {
  return (_fields, _level, logger) => {
    const traceparent = telemetry.current()?.traceparent;
    if (traceparent === undefined) return {};
    // What a child logger is bound to, pino writes in front of this: the later one would be read.
    const bound = (logger as PinoLogger | undefined)?.bindings() ?? {};
    return 'traceparent' in bound ? {} : { traceparent };
  };
}
