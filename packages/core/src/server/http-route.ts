import type { IncomingHttpHeaders } from 'node:http';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { RpcContext } from '../rpc/port.ts';

/** A request to a plain HTTP route. */
export interface HttpRequest {
  /** The call, as an RPC implementation takes it: who calls, signal, headers, trace. */
  readonly context: RpcContext;
  /** Aborted when the client has gone or the server stops. The same as the context's. */
  readonly signal: AbortSignal;
  /** The headers, by lower-case name. */
  readonly headers: IncomingHttpHeaders;
  /** What the path holds where the route has `:name`. */
  readonly params: Readonly<Record<string, string>>;
  /** What follows `?`. */
  readonly query: URLSearchParams;
  /** The body as it came. Throws `RESOURCE_EXHAUSTED` / `REQUEST_TOO_LARGE` beyond the server's `maxRequestBytes`. */
  bytes(): Promise<Uint8Array>;
  /** The body, parsed as JSON. Throws `INVALID_ARGUMENT` / `CONTENT_TYPE_UNSUPPORTED` (answered with 415) if it does not say that it is, `REQUEST_MALFORMED` if it is none. */
  json(): Promise<unknown>;
  /** The body, parsed as the JSON form of a protobuf message, completed by `complete` if given, and checked against its rules. */
  message<D extends DescMessage>(schema: D, complete?: (message: MessageShape<D>) => void): Promise<MessageShape<D>>;
}

/** The answer of a plain HTTP route. */
export interface HttpResponse {
  /** Default: 200. */
  readonly status?: number | undefined;
  /** Default: the content type that fits the body. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A string is sent as text, bytes as they are, anything else as JSON (a bigint as a string). Default: an empty body. */
  readonly body?: unknown;
}

/**
 * A plain HTTP route beside the RPC services, behind the same middleware. What it throws is answered as
 * `{ code, reason, message, violations }` with the HTTP status of the code.
 */
export interface HttpRoute {
  /** The method that it answers; others are answered with 405, unless another route has them. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Parts that begin with a colon match anything but a slash: `/api/v1/orders/:orderId`. */
  readonly path: string;
  /** Whether it does without the authenticator, since it proves its caller in a way of its own. Default: false. */
  readonly open?: boolean | undefined;
  /** Answers a request. */
  handle(request: HttpRequest): Promise<HttpResponse>;
}

/** A route that a request matches, and what its path holds. */
export interface MatchedRoute {
  readonly route: HttpRoute;
  readonly params: Readonly<Record<string, string>>;
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // Not encoded as URLs are: it stands for itself.
    return part;
  }
}

/** Makes the function that finds a path's routes, one for each method. */
export function createRouteTable(routes: readonly HttpRoute[]): (path: string) => readonly MatchedRoute[] {
  const compiled = routes.map((route) => ({ route, parts: route.path.split('/') }));
  return (path) => {
    const given = path.split('/');
    return compiled.flatMap(({ route, parts }) => {
      if (parts.length !== given.length) return [];
      const params: Record<string, string> = {};
      for (const [index, part] of parts.entries()) {
        const value = given[index] ?? '';
        if (part.startsWith(':') && value !== '') params[part.slice(1)] = decodePart(value);
        else if (part !== value) return [];
      }
      return [{ route, params }];
    });
  };
}
