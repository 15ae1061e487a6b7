import type { Clock } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { type Labels, noTelemetry, type Telemetry } from '../telemetry/port.ts';
import type { ServerCall } from './call.ts';

/** Watches one call. */
export interface Observer {
  /** Called when it is over, with what it failed with. Only the first time counts. */
  end(error?: unknown): void;
}

/** Options of {@link createObserver}. */
export interface ObserverOptions {
  readonly logger: Logger | undefined;
  readonly telemetry: Telemetry | undefined;
  readonly clock: Clock;
}

const ignored: Observer = { end: () => undefined };

/** Logs, counts and traces calls. Costs nothing where neither a logger nor telemetry is given. */
export function createObserver(options: ObserverOptions): (call: ServerCall) => Observer {
  const { logger, telemetry = noTelemetry, clock } = options;
  if (logger === undefined && telemetry === noTelemetry) return () => ignored;

  const labelsOf = new Map<string, Labels>();
  const labels = (method: string, code: string): Labels => {
    const key = `${method} ${code}`;
    let found = labelsOf.get(key);
    if (found === undefined) {
      found = { method, code };
      labelsOf.set(key, found);
    }
    return found;
  };
  return (call) => {
    const startedAt = clock.monotonic();
    const span = telemetry.startSpan(call.method, call.traceparent);
    if (span.traceparent !== undefined) call.traceparent = span.traceparent;
    let over = false;
    return {
      end: (thrown) => {
        if (over) return;
        over = true;
        const error = thrown === undefined ? undefined : PaystreamError.from(thrown);
        const code = error?.code ?? 'OK';
        const ms = clock.monotonic() - startedAt;
        telemetry.observe('paystream_rpc_seconds', labels(call.method, code), ms / 1000);
        span.end(thrown);
        logger?.debug(
          { method: call.method, code, ...(error === undefined ? {} : { reason: error.reason }), ms, principal: call.principal.id },
          `${call.method} ${code}`,
        );
      },
    };
  };
}
