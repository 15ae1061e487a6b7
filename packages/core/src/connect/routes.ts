import { Code, ConnectError, type ConnectRouter, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import type { Logger } from '../logger/port.ts';
import { answerOrAbort, itemsUntilAbort } from '../rpc/abortable.ts';
import { clientGone, deadlinePassed, ServerCall, stopped } from '../rpc/call.ts';
import { methodsOf, type RequestReader, type RpcRequest, type StreamReading, type UnaryReading } from '../rpc/methods.ts';
import type { RpcService } from '../rpc/port.ts';
import { createErrorReporter, lateErrors } from '../rpc/reporter.ts';
import { connectErrorOf } from './connect-error.ts';
import { explainRefusals, refusedKey, seenKey } from './refusals.ts';

/** Options of {@link rpcRoutes}. */
export interface RpcRoutesOptions {
  /** The largest request, in bytes. Larger ones get `RESOURCE_EXHAUSTED`. Default: 1 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** Where errors that clients must not see are written. Default: nowhere. */
  readonly logger?: Logger | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

function callOf(path: string, context: HandlerContext, clock: Clock): ServerCall {
  context.values.get(seenKey).seen = true;
  const timeoutMs = context.timeoutMs();
  const deadlineMs = timeoutMs === undefined ? undefined : clock.now() + timeoutMs;
  const header = context.values.get(refusedKey)?.header ?? context.requestHeader;
  // Clients of gRPC and gRPC-Web are served as well, and told of statuses by gRPC's names.
  const system = context.protocolName === 'connect' ? 'connectrpc' : 'grpc';
  const call = new ServerCall(path, deadlineMs, (name) => header.get(name) ?? undefined, system);
  const { signal } = context;
  const onAbort = (): void => {
    const { reason } = signal;
    const code = reason instanceof ConnectError ? reason.code : Code.Canceled;
    if (code === Code.DeadlineExceeded) call.abort(deadlinePassed());
    else call.abort(code === Code.Unavailable ? stopped() : clientGone());
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return call;
}

function readerOf(request: RpcRequest, context: HandlerContext): RequestReader {
  const refused = context.values.get(refusedKey);
  if (refused === undefined) return () => request;
  return () => {
    throw refused.error;
  };
}

/**
 * Routes for Connect: the same services over HTTP/1.1 and 2 as JSON, Connect, gRPC-Web and gRPC, mounted into whatever
 * serves HTTP (connect-node, connect-fastify, connect-express). Answers and errors are those of the gRPC transport.
 *
 * @example
 * ```ts
 * http.createServer(connectNodeAdapter({ routes: rpcRoutes([service], { logger }) })).listen(3000);
 * ```
 */
export function rpcRoutes(services: readonly RpcService[], options: RpcRoutesOptions = {}): (router: ConnectRouter) => void {
  const { maxRequestBytes = 1_048_576, logger, clock = systemClock } = options;
  const report = createErrorReporter({ logger, clock });
  const unary = (path: string, serve: UnaryReading) => async (request: RpcRequest, context: HandlerContext) => {
    const call = callOf(path, context, clock);
    try {
      return await answerOrAbort(call, serve(readerOf(request, context), call), lateErrors(report, call));
    } catch (thrown) {
      throw connectErrorOf(report(thrown, call));
    } finally {
      call.end();
    }
  };
  const stream = (path: string, serve: StreamReading) =>
    async function* (request: RpcRequest, context: HandlerContext) {
      const call = callOf(path, context, clock);
      try {
        yield* itemsUntilAbort(call, serve(readerOf(request, context), call), lateErrors(report, call));
      } catch (thrown) {
        throw connectErrorOf(report(thrown, call));
      } finally {
        call.end();
      }
    };

  return (router) => {
    for (const service of services) {
      const { definition } = service;
      const routes: Record<string, unknown> = {};
      for (const entry of methodsOf(service)) {
        routes[entry.method.localName] = entry.kind === 'stream' ? stream(entry.path, entry.serve) : unary(entry.path, entry.serve);
      }
      explainRefusals(router, maxRequestBytes, () => {
        router.service(definition, routes as Partial<ServiceImpl<typeof definition>>, { readMaxBytes: maxRequestBytes });
      });
    }
  };
}
