import type { Clock } from '../clock/port.ts';
import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { labelSets } from '../telemetry/labels.ts';
import { noLabels, noTelemetry, type Span, type SpanAttributes, type Telemetry } from '../telemetry/port.ts';
import type { HttpTarget, ServerCall } from './call.ts';
import { httpOutcome, httpStatusOfError, rpcOutcome } from './outcome.ts';

/** Watches one call. */
export interface Observer {
  /** Runs the handler in the call's span. */
  run<T>(work: () => T): T;
  /** Runs the handler of a stream in the call's span: each of its steps, since others run between them. */
  each<T>(work: () => AsyncIterable<T>): AsyncIterable<T>;
  /** Called when it is over, with what it failed with, or with the HTTP status of its answer (default: 200). Only the first time counts. */
  end(error?: unknown, status?: number): void;
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

/** A client that has gone gets no answer. */
function statusSent(call: ServerCall, error: PaystreamError): number | undefined {
  return call.reason?.code === 'CANCELED' ? undefined : httpStatusOfError(error);
}

/** The system of calls that no transport of ours brought. */
const ownSystem = 'paystream';

/** A method is called `package.Service/Method` in traces; a route as HTTP has it. */
function startSpan(telemetry: Telemetry, call: ServerCall): Span {
  const { transport = ownSystem } = call;
  const start = (name: string, attributes: SpanAttributes): Span => telemetry.startSpan(name, { kind: 'server', parent: call, attributes });
  if (typeof transport === 'string') {
    const name = call.method.replace(/^\//, '');
    return start(name, { 'rpc.system.name': transport, 'rpc.method': name });
  }
  const { method, route, path } = transport;
  return start(`${method} ${route}`, { 'http.request.method': method, 'http.route': route, 'url.path': path, 'url.scheme': 'http' });
}

/** Logs, counts and traces calls. Costs nothing where neither a logger nor telemetry is given. */
export function createObserver(options: ObserverOptions): (call: ServerCall) => Observer {
  const { logger, telemetry = noTelemetry, clock } = options;
  if (logger === undefined && telemetry === noTelemetry) return () => ignored;

  const rpcLabels = labelSets('method', 'code', 'system');
  const httpLabels = labelSets('method', 'route', 'status');
  /** Gives what the span is told of the end. */
  const measureRpc = (system: string, method: string, code: ErrorCode | 'OK', seconds: number): SpanAttributes => {
    telemetry.observe('paystream_rpc_seconds', rpcLabels(method, code, system), seconds);
    return rpcOutcome(system, code);
  };
  const measureHttp = ({ method, route }: HttpTarget, status: number | undefined, seconds: number): SpanAttributes => {
    telemetry.observe('paystream_http_seconds', httpLabels(method, route, String(status ?? '')), seconds);
    return httpOutcome(status);
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
      end: (thrown, given = 200) => {
        if (over) return;
        over = true;
        const error = thrown === undefined ? undefined : PaystreamError.from(thrown);
        const code = error?.code ?? 'OK';
        const ms = clock.monotonic() - startedAt;
        const { transport = ownSystem } = call;
        const outcome =
          typeof transport === 'string'
            ? measureRpc(transport, call.method, code, ms / 1000)
            : measureHttp(transport, error === undefined ? given : statusSent(call, error), ms / 1000);
        change(-1);
        span?.end(thrown, outcome);
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
