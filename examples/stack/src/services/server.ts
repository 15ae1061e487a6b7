import { type Health, type RpcService, silentLogger } from '@paystream/core';
import { OrderService } from '@paystream/core/contracts';
import { apiKeys, hashApiKey } from '@paystream/core/rpc';
import { createRpcServer, type RpcServer } from '@paystream/core/server';
import { checkoutRoute } from '../checkout.ts';
import type { Config } from '../config/config.ts';
import type { Engine } from '../engine/engine.ts';

function authenticator(config: Config) {
  return (
    config.PAYSTREAM_API_KEYS &&
    apiKeys(
      config.PAYSTREAM_API_KEYS.map(({ key, merchant }, index) => ({
        id: `key-${index + 1}`,
        sha256: hashApiKey(key),
        merchants: merchant === '*' ? 'all' : [merchant],
      })),
    )
  );
}

/** Serves every service of the process over gRPC, Connect, JSON and REST. */
export function serve(
  engine: Engine,
  services: readonly RpcService[],
  health: () => Promise<Health>,
  logger = silentLogger,
): Promise<RpcServer> {
  const { config, metrics } = engine;
  const host = config.PAYSTREAM_HOST;
  const orders = services.filter((service) => service.definition.typeName === OrderService.typeName);
  return createRpcServer({
    services,
    grpc: { host, port: config.PAYSTREAM_GRPC_PORT, setting: 'PAYSTREAM_GRPC_PORT' },
    http: { host, port: config.PAYSTREAM_HTTP_PORT, setting: 'PAYSTREAM_HTTP_PORT', routes: orders.map(checkoutRoute) },
    health,
    metrics: metrics.render,
    authenticate: authenticator(config),
    telemetry: metrics.telemetry,
    logger,
  });
}
