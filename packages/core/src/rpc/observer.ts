import type { Clock } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { type Labels, noLabels, noTelemetry, type Span, type Telemetry } from '../telemetry/port.ts';
import type { ServerCall } from './call.ts';

/** Watches one call. */
export interface Observer {
  /** Runs the handler in the call's span. */
  run<T>(work: () => T): T;
  /** Runs the handler of a stream in the call's span: each of its steps, since others run between them. */
  each<T>(work: () => AsyncIterable<T>): AsyncIterable<T>;
  /** Called when it is over, with what it failed with. Only the first time counts. */
  end(error?: unknown): void;
}

/** Options of {@link createObserver}. */
export interface ObserverOptions {
  readonly logger: Logger | undefined;
  readonly telemetry: Telemetry | undefined;
  readonly clock: Clock;
}

const ignored: Observer = { run: (work) => work(), each: (work) => work(), end: () => undefined };

/** Runs each step of a source as `run` does. */
function within<T>(run: Observer['run'], source: AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = run(() => source[Symbol.asyncIterator]());
      return {
        next: () => run(() => iterator.next()),
        return: async () => {
          await run(() => iterator.return?.());
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** A method is called `package.Service/Method` in traces; a route as HTTP has it. */
function startSpan(telemetry: Telemetry, call: ServerCall): Span {
  const isRoute = call.transport === 'http';
  const name = isRoute ? call.method : call.method.replace(/^\//, '');
  const [verb = '', route = ''] = call.method.split(' ');
  const attributes = isRoute
    ? { 'http.request.method': verb, 'http.route': route }
    : { 'rpc.system.name': call.transport ?? 'paystream', 'rpc.method': name };
  return telemetry.startSpan(name, { kind: 'server', parent: call, attributes });
}

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
  let inFlight = 0;
  const change = (by: 1 | -1): void => {
    inFlight += by;
    telemetry.gauge('paystream_rpc_in_flight', noLabels, inFlight);
  };
  return (call) => {
    const startedAt = clock.monotonic();
    const span = telemetry.tracing ? startSpan(telemetry, call) : undefined;
    if (span?.traceparent !== undefined) call.traceAs(span);
    change(1);
    let over = false;
    return {
      run: (work) => (span === undefined ? work() : span.run(work)),
      each: (work) => (span === undefined ? work() : within((step) => span.run(step), span.run(work))),
      end: (thrown) => {
        if (over) return;
        over = true;
        const error = thrown === undefined ? undefined : PaystreamError.from(thrown);
        const code = error?.code ?? 'OK';
        const ms = clock.monotonic() - startedAt;
        telemetry.observe('paystream_rpc_seconds', labels(call.method, code), ms / 1000);
        change(-1);
        span?.end(thrown, call.transport === 'http' ? undefined : { 'rpc.response.status_code': code });
        logger?.debug(
          {
            method: call.method,
            code,
            ...(error === undefined ? {} : { reason: error.reason }),
            ms,
            principal: call.principal.id,
            traceparent: call.traceparent,
          },
          `${call.method} ${code}`,
        );
      },
    };
  };
}
