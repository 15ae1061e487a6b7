import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createConnectRouter } from '@connectrpc/connect';
import { compressionGzip, universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { Clock } from '../clock/port.ts';
import { rpcRoutes } from '../connect/routes.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { answerOrAbort } from '../rpc/abortable.ts';
import { clientGone, ServerCall } from '../rpc/call.ts';
import type { RpcMiddleware } from '../rpc/middleware.ts';
import type { RpcService } from '../rpc/port.ts';
import { createErrorReporter, lateErrors } from '../rpc/reporter.ts';
import type { RequestValidator } from '../rpc/validation.ts';
import { checkJson, errorResponse, messageFromJson, parseJson, readBody, send } from './http-message.ts';
import { createRouteTable, type HttpResponse, type HttpRoute, type MatchedRoute } from './http-route.ts';

/** Options of {@link createHttpHandler}. */
export interface HttpHandlerOptions {
  /** Already behind the middleware. */
  readonly services: readonly RpcService[];
  /** Run behind the middleware. */
  readonly routes: readonly HttpRoute[];
  /** Answered without it: health, metrics. */
  readonly bareRoutes: readonly HttpRoute[];
  readonly middleware: RpcMiddleware;
  readonly validator: RequestValidator | undefined;
  readonly maxRequestBytes: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function callOf(request: IncomingMessage, response: ServerResponse, { route }: MatchedRoute, path: string): ServerCall {
  const target = { method: request.method ?? route.method, route: route.path, path };
  const call = new ServerCall(`${route.method} ${route.path}`, undefined, (name) => headerOf(request, name), target);
  response.once('close', () => {
    call.abort(clientGone());
    call.end();
  });
  return call;
}

const statusOf = ({ status = 200 }: HttpResponse): number => status;

/** Makes what answers the requests of an HTTP/1.1 server: RPC services by way of Connect, plain routes, 404 in JSON. */
export function createHttpHandler(options: HttpHandlerOptions): RequestListener {
  const { middleware, validator, maxRequestBytes, logger, clock } = options;
  const report = createErrorReporter({ logger, clock });
  const router = createConnectRouter({ acceptCompression: [compressionGzip], readMaxBytes: maxRequestBytes });
  rpcRoutes(options.services, { maxRequestBytes, logger, clock })(router);
  const rpcs = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const routesOf = createRouteTable([...options.bareRoutes, ...options.routes]);
  const bare = new Set(options.bareRoutes);

  async function serveRpc(handler: (typeof router.handlers)[number], request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const answer = await handler(universalRequestFromNodeRequest(request, response, undefined, undefined));
      await universalResponseToNodeResponse(answer, response);
    } catch (thrown) {
      // Errors of handlers are answers. What comes here is a request without a host, or an answer whose client has gone.
      logger.debug({ err: thrown, method: handler.requestPath }, 'an answer could not be sent');
      if (response.headersSent || response.destroyed) response.destroy();
      else send(response, { status: 400 });
    }
  }

  async function serveRoute(matched: MatchedRoute, request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const call = callOf(request, response, matched, path);
    const query = (request.url ?? '').slice(path.length + 1);
    const json = async (): Promise<unknown> => {
      checkJson(request);
      return parseJson(await readBody(request, maxRequestBytes));
    };
    const work = (): Promise<HttpResponse> =>
      matched.route.handle({
        context: call,
        get signal() {
          return call.signal;
        },
        headers: request.headers,
        params: matched.params,
        query: new URLSearchParams(query),
        bytes: () => readBody(request, maxRequestBytes),
        json,
        message: async (schema, complete) => messageFromJson(schema, await json(), validator, complete),
      });
    const answer = (given: HttpResponse): void => {
      // The rest of a body that nobody reads: the connection ends with it.
      if (!request.complete) {
        response.shouldKeepAlive = false;
        request.resume();
      }
      send(response, given);
    };
    try {
      const running = bare.has(matched.route) ? work() : middleware.run(call, work, { open: matched.route.open, statusOf });
      answer(await answerOrAbort(call, running, lateErrors(report, call)));
    } catch (thrown) {
      answer(errorResponse(report(thrown, call)));
    } finally {
      call.end();
    }
  }

  return (request, response) => {
    const target = request.url ?? '/';
    const path = target.split('?', 1)[0] ?? '/';
    const rpc = rpcs.get(path);
    if (rpc !== undefined) {
      void serveRpc(rpc, request, response);
      return;
    }
    const candidates = routesOf(path);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const matched = candidates.find(({ route }) => route.method === method);
    if (matched !== undefined) {
      void serveRoute(matched, request, response, path);
      return;
    }
    request.resume();
    if (candidates.length > 0) {
      const allow = candidates.map(({ route }) => route.method).join(', ');
      const error = new PaystreamError('UNSUPPORTED', `${path} takes ${allow}, not ${request.method}.`, { reason: 'METHOD_NOT_ALLOWED' });
      send(response, { ...errorResponse(error), status: 405, headers: { allow } });
      return;
    }
    send(response, errorResponse(new PaystreamError('NOT_FOUND', `There is nothing at ${path}.`, { reason: 'ROUTE_UNKNOWN' })));
  };
}
