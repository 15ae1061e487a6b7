import { Server, type ServerCredentials } from '@grpc/grpc-js';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { healthService } from '../grpc/health.ts';
import { addReflection, reflectionPaths } from '../grpc/reflection.ts';
import { addRpcService, defaultMaxRequestBytes } from '../grpc/service.ts';
import type { Health, Running } from '../lifecycle/port.ts';
import { type Logger, silentLogger } from '../logger/port.ts';
import { createRpcMiddleware, type RpcMiddlewareOptions } from '../rpc/middleware.ts';
import type { RpcService } from '../rpc/port.ts';
import { validatorOf } from '../rpc/validation.ts';
import { type ListenAddress, refuseExposure } from './address.ts';
import { type Listener, listenGrpc } from './grpc-listener.ts';
import { guestListener, guestService, refuseTaken } from './guest-grpc.ts';
import { createHttpHandler } from './http-handler.ts';
import { listenHttp } from './http-listener.ts';
import type { HttpRoute } from './http-route.ts';
import { operationRoutes } from './operation-routes.ts';

/** Where and how gRPC is served. */
export interface GrpcServing extends ListenAddress {
  /** TLS. Default: none. */
  readonly credentials?: ServerCredentials | undefined;
  /** A server of yours to add the services to: you bind it and shut it down, and `host`, `port` and `credentials` have no meaning. Default: a new one on 127.0.0.1:50051. */
  readonly server?: Server | undefined;
  /** Whether the gRPC health service is served; `false` where a server of yours has one. Default: true. */
  readonly health?: boolean | undefined;
}

/** Where and what is served over HTTP/1.1. */
export interface HttpServing extends ListenAddress {
  /** Plain routes beside the RPC services, `/healthz`, `/readyz` and `/metrics`. Default: none. */
  readonly routes?: readonly HttpRoute[] | undefined;
}

/** Options of {@link createRpcServer}. */
export interface RpcServerOptions extends RpcMiddlewareOptions {
  /** What is served, over both transports. */
  readonly services: readonly RpcService[];
  /** gRPC; `false` serves none. Default: 127.0.0.1:50051. */
  readonly grpc?: GrpcServing | false | undefined;
  /** HTTP/1.1; `false` serves none. Default: 127.0.0.1:3000. */
  readonly http?: HttpServing | false | undefined;
  /** How the process is, for `/readyz` and the gRPC health service: `lifecycle.health`. */
  readonly health: () => Promise<Health>;
  /** What `/metrics` answers, in the Prometheus text format. Default: there is no `/metrics`. */
  readonly metrics?: (() => Promise<string>) | undefined;
  /** Gets the faults that clients must not see, with the ids that they are told; at debug level a line for each call. Default: none. */
  readonly logger?: Logger | undefined;
  /** The largest request, in bytes. Default: 1 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** Whether grpcurl and the like may ask what is served. Needs `@grpc/reflection`. Default: true. */
  readonly reflection?: boolean | undefined;
  /** Whether it may listen beyond this machine without an authenticator. Default: false. */
  readonly allowUnauthenticated?: boolean | undefined;
}

/** A server that listens. */
export interface RpcServer extends Running, AsyncDisposable {
  /** `127.0.0.1:50051`; `undefined` where gRPC is not served, or by a server of yours. */
  readonly grpcAddress: string | undefined;
  /** `http://127.0.0.1:3000`; `undefined` where HTTP is not served. */
  readonly httpAddress: string | undefined;
}

// grpc-js refuses what is larger with a bare status. Up to this factor requests are read, to be refused with details.
const readableFactor = 4;
const goodbyeMs = 250;

function createGrpcServer(maxRequestBytes: number): Server {
  return new Server({
    'grpc.max_receive_message_length': maxRequestBytes * readableFactor,
    'grpc.enable_channelz': 0,
    // Or the watch of a client that vanished without a word would stay open for ever.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
  });
}

/**
 * Serves RPC services over gRPC (with health and reflection) and over HTTP/1.1 (Connect, gRPC-Web, JSON, plain routes,
 * `/healthz`, `/readyz`, `/metrics`), behind one middleware. Listens when it resolves.
 *
 * `close` takes no new calls, ends streams with `UNAVAILABLE` / `SERVER_STOPS`, lets other calls finish until its time is
 * up, then cuts them; on a gRPC server of yours its own calls alone.
 *
 * @throws `FAILED_PRECONDITION`: `ADDRESS_IN_USE` and its like, naming address and setting; `UNAUTHENTICATED_EXPOSURE` for a
 * host beyond this machine with neither `authenticate` nor `allowUnauthenticated`; `GRPC_SERVICE_TAKEN` where a gRPC server of
 * yours has one of the services.
 * @example
 * ```ts
 * const server = await createRpcServer({ services: [orders], health: () => lifecycle.health(), logger });
 * console.log(server.grpcAddress, server.httpAddress);
 * ```
 */
export async function createRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  const { services, grpc = {}, http = {}, health, maxRequestBytes = defaultMaxRequestBytes } = options;
  const { clock = systemClock, logger = silentLogger, reflection = true } = options;
  const ownGrpc = grpc !== false && grpc.server === undefined;
  const hosts = [ownGrpc ? grpc.host : undefined, http === false ? undefined : http.host];
  refuseExposure(
    hosts.filter((host) => host !== undefined),
    options.authenticate !== undefined,
    options.allowUnauthenticated ?? false,
  );

  const validator = validatorOf(options.validate ?? true);
  const middleware = createRpcMiddleware({ ...options, validate: validator ?? false });
  const wrapped = services.map((service) => middleware.wrap(service));
  // Probes must get through to a server that is full, and know no keys.
  const probes = createRpcMiddleware({ clock });
  const listeners: Pick<Listener, 'drain' | 'cut'>[] = [];
  let closing: Promise<void> | undefined;

  async function serveGrpc(serving: GrpcServing): Promise<string | undefined> {
    const server = serving.server ?? createGrpcServer(maxRequestBytes);
    const healthOf = healthService({ health, services: services.map(({ definition }) => definition.typeName), clock });
    const probed = serving.health === false ? [] : [healthOf];
    if (serving.server !== undefined) {
      refuseTaken(server, [
        ...probed.map((service) => ({ ...guestService(service), setting: 'grpc.health' })),
        ...(reflection ? [{ name: 'grpc.reflection', paths: reflectionPaths, setting: 'reflection' }] : []),
        ...services.map(guestService),
      ]);
      listeners.push(guestListener(() => middleware.running + probes.running, clock));
    }
    for (const service of [...wrapped, ...probed.map(probes.wrap)]) addRpcService(server, service, { maxRequestBytes, logger, clock });
    if (reflection)
      addReflection(
        server,
        [...services, ...probed].map(({ definition }) => definition),
      );
    if (serving.server !== undefined) return undefined;
    const listener = await listenGrpc(server, serving);
    listeners.push(listener);
    return listener.address;
  }
  async function serveHttp(serving: HttpServing): Promise<string> {
    const handler = createHttpHandler({
      services: wrapped,
      routes: serving.routes ?? [],
      bareRoutes: operationRoutes({ health, metrics: options.metrics, stops: () => closing !== undefined }),
      middleware,
      validator,
      maxRequestBytes,
      logger,
      clock,
    });
    const listener = await listenHttp(handler, serving);
    listeners.push(listener);
    return listener.address;
  }
  async function shut(timeoutMs: number): Promise<void> {
    middleware.stop();
    probes.stop();
    const drained = Promise.all(listeners.map((listener) => listener.drain()));
    const within = async (ms: number): Promise<boolean> => {
      const timer = new AbortController();
      const done = drained.then(() => true);
      try {
        return await Promise.race([done, clock.sleep(ms, timer.signal).then(() => false)]);
      } finally {
        timer.abort();
      }
    };
    if (await within(timeoutMs)) return;
    logger.warn({ running: middleware.running }, `calls still ran after ${timeoutMs} ms and were cut`);
    middleware.cut();
    if (await within(goodbyeMs)) return;
    for (const listener of listeners) listener.cut();
    await drained;
  }

  const close = (timeoutMs = 10_000): Promise<void> => {
    closing ??= shut(timeoutMs);
    return closing;
  };
  try {
    const grpcAddress = grpc === false ? undefined : await serveGrpc(grpc);
    const httpAddress = http === false ? undefined : await serveHttp(http);
    return {
      grpcAddress,
      httpAddress,
      check: async () => {
        if (closing !== undefined) throw new PaystreamError('UNAVAILABLE', 'The RPC server stops.', { reason: 'SERVER_STOPS' });
      },
      close,
      [Symbol.asyncDispose]: () => close(),
    };
  } catch (error) {
    await close(0);
    throw error;
  }
}
