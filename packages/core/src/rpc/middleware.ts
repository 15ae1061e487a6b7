import type { DescMethod, DescService } from '@bufbuild/protobuf';
import type { Clock, ClockTimer } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import type { Telemetry } from '../telemetry/port.ts';
import { answerOrAbort, itemsUntilAbort } from './abortable.ts';
import type { Authenticator } from './authenticator.ts';
import { clientGone, ServerCall } from './call.ts';
import { handlerThatReads, methodsOf, type StreamHandler, type UnaryHandler } from './methods.ts';
import { createObserver, type Observer } from './observer.ts';
import type { Principal, RpcContext, RpcImplementation, RpcService } from './port.ts';
import { createErrorReporter, lateErrors } from './reporter.ts';
import { createRunningCalls, type RpcLimits } from './running-calls.ts';
import { type RequestValidator, validatorOf } from './validation.ts';

/** How long calls may take. Streams are bounded by what their client asks for alone. */
export interface RpcDeadlines {
  /** For a client that names no deadline, in milliseconds. Default: none. */
  readonly defaultMs?: number | undefined;
  /** However much longer the client would wait, in milliseconds. Default: none. */
  readonly maxMs?: number | undefined;
}

/** Options of {@link createRpcMiddleware} and {@link withRpcMiddleware}. */
export interface RpcMiddlewareOptions {
  /** Finds out who calls. Default: everyone is `anonymous` and may act for all merchants. */
  readonly authenticate?: Authenticator | undefined;
  /** How many calls run at once. Default: 2,000 unary calls and 20,000 streams. */
  readonly limits?: RpcLimits | undefined;
  /** How long calls may take. Default: as long as their clients wait. */
  readonly deadline?: RpcDeadlines | undefined;
  /** Checks requests against the protovalidate rules of their proto files; `false` checks none. Default: true. */
  readonly validate?: boolean | RequestValidator | undefined;
  /** Gets a line for each call, at debug level, and what handlers throw after their call has ended. Default: none. */
  readonly logger?: Logger | undefined;
  /** Gets `paystream_rpc_seconds{method,code,system}`, of HTTP routes `paystream_http_seconds{method,route,status}`, `paystream_rpc_in_flight` and one span a call. Default: none. */
  readonly telemetry?: Telemetry | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

type Work<T> = (call: ServerCall) => T;

/** How {@link RpcMiddleware.run} runs something. */
export interface RunOptions<T> {
  /** Whether it does without the authenticator. Default: false. */
  readonly open?: boolean | undefined;
  /** The HTTP status of an answer, for what is told of requests to the routes of a server. Default: 200. */
  readonly statusOf?: ((answer: T) => number) | undefined;
}

/** What stands between the transports and the implementations of one server. */
export interface RpcMiddleware {
  /** The same service behind the middleware. */
  wrap(service: RpcService): RpcService;
  /** Runs something that is no RPC, such as an HTTP route, as a call: limited, authenticated unless it is `open`, observed. */
  run<T>(context: RpcContext, work: (context: RpcContext) => Promise<T>, how?: RunOptions<T>): Promise<T>;
  /** How many calls run now. */
  readonly running: number;
  /** Refuses new calls, ends streams with `UNAVAILABLE` / `SERVER_STOPS`, aborts `context.stopping` of the others. */
  stop(): void;
  /** Ends whatever still runs in the same way. */
  cut(): void;
}

// A context that no transport of ours made: in a test, or where an implementation is called by hand.
function adopt(context: RpcContext): ServerCall {
  const call = new ServerCall(context.method, context.deadlineMs, (name) => context.header(name));
  call.principal = context.principal;
  const onAbort = (): void => {
    const { reason } = context.signal;
    call.abort(PaystreamError.is(reason) ? reason : clientGone());
  };
  if (context.signal.aborted) onAbort();
  else context.signal.addEventListener('abort', onAbort, { once: true });
  return call;
}

/**
 * Makes the middleware of one server: log, metrics and trace, load shedding, authentication, deadlines, reading and validation
 * of the request, in this order, the same for every transport. Services wrapped by one middleware share its limits.
 */
export function createRpcMiddleware(options: RpcMiddlewareOptions = {}): RpcMiddleware {
  const { authenticate, deadline = {}, clock = systemClock, validate = true } = options;
  const running = createRunningCalls(options.limits);
  const observe = createObserver({ logger: options.logger, telemetry: options.telemetry, clock });
  const report = createErrorReporter({ logger: options.logger, clock });
  const validator = validatorOf(validate);

  const limitMs = (call: ServerCall): number | undefined => {
    const { defaultMs, maxMs } = deadline;
    if (call.deadlineMs === undefined) return defaultMs === undefined ? maxMs : Math.min(defaultMs, maxMs ?? defaultMs);
    return maxMs !== undefined && call.deadlineMs - clock.now() > maxMs ? maxMs : undefined;
  };
  const arm = (call: ServerCall): ClockTimer | undefined => {
    const ms = limitMs(call);
    return ms === undefined
      ? undefined
      : clock.setTimer(ms, () => {
          call.abort(
            new PaystreamError('DEADLINE_EXCEEDED', `The call took longer than the ${ms} ms that the server gives it.`, {
              reason: 'SERVER_DEADLINE_PASSED',
              details: { limitMs: String(ms) },
            }),
          );
        });
  };
  const identify = (call: ServerCall): undefined | Promise<void> => {
    if (authenticate === undefined) return undefined;
    const found: Principal | Promise<Principal> = authenticate({ get: (name) => call.header(name) });
    if (!('then' in found)) {
      call.principal = found;
      return undefined;
    }
    return found.then((principal) => {
      call.principal = principal;
    });
  };

  async function runUnary<T>(call: ServerCall, work: Work<Promise<T>>, how?: RunOptions<T>): Promise<T> {
    const observed: Observer = observe(call);
    let timer: ClockTimer | undefined;
    try {
      running.enter(call, false);
      const identified = how?.open === true ? undefined : identify(call);
      if (identified !== undefined) await identified;
      timer = arm(call);
      const answer = await observed.run(() => work(call));
      observed.end(call.reason, how?.statusOf?.(answer));
      return answer;
    } catch (thrown) {
      observed.end(call.reason ?? thrown);
      throw thrown;
    } finally {
      timer?.cancel();
      running.leave(call);
    }
  }

  async function* runStream<T>(call: ServerCall, work: Work<AsyncIterable<T>>): AsyncGenerator<T> {
    const observed: Observer = observe(call);
    try {
      running.enter(call, true);
      const identified = identify(call);
      if (identified !== undefined) await identified;
      yield* observed.each(() => work(call));
      observed.end(call.reason);
    } catch (thrown) {
      observed.end(call.reason ?? thrown);
      throw thrown;
    } finally {
      // Reached without either of the above when the client went between two messages.
      observed.end(call.reason);
      running.leave(call);
    }
  }

  const wrapUnary = (method: DescMethod, handler: UnaryHandler): UnaryHandler => {
    const { input } = method;
    return handlerThatReads((read, context) => {
      const work: Work<ReturnType<UnaryHandler>> = (call) => {
        const request = read();
        validator?.(input, request);
        return handler(request, call);
      };
      if (context instanceof ServerCall) return runUnary(context, work);
      const call = adopt(context);
      return answerOrAbort(call, runUnary(call, work), lateErrors(report, call));
    });
  };
  const wrapStream = (method: DescMethod, handler: StreamHandler): StreamHandler => {
    const { input } = method;
    return handlerThatReads((read, context) => {
      const work: Work<ReturnType<StreamHandler>> = (call) => {
        const request = read();
        validator?.(input, request);
        return handler(request, call);
      };
      if (context instanceof ServerCall) return runStream(context, work);
      const call = adopt(context);
      return itemsUntilAbort(call, runStream(call, work), lateErrors(report, call));
    });
  };

  return {
    wrap: (service) => {
      const wrapped: Record<string, unknown> = {};
      for (const entry of methodsOf(service)) {
        const { method } = entry;
        wrapped[method.localName] = entry.kind === 'stream' ? wrapStream(method, entry.run) : wrapUnary(method, entry.run);
      }
      return { definition: service.definition, implementation: wrapped as RpcImplementation<DescService> };
    },
    run: (context, work, how) => {
      if (context instanceof ServerCall) return runUnary(context, work, how);
      const call = adopt(context);
      return answerOrAbort(call, runUnary(call, work, how), lateErrors(report, call));
    },
    get running() {
      return running.size;
    },
    stop: () => running.stop(),
    cut: () => running.cut(),
  };
}

/**
 * Puts middleware around one service, for a server of one's own: the handlers then run behind authentication, limits,
 * deadlines and validation over any transport.
 *
 * @example
 * ```ts
 * addRpcService(grpcServer, withRpcMiddleware(service, { authenticate: apiKeys(keys) }));
 * ```
 */
export function withRpcMiddleware(service: RpcService, options: RpcMiddlewareOptions = {}): RpcService {
  return createRpcMiddleware(options).wrap(service);
}
