import {
  type Component,
  createLifecycle,
  type Health,
  PaystreamError,
  type RpcService,
  systemClock,
  type Telemetry,
} from '@paystream/core';
import type { RpcServer } from '@paystream/core/server';
import type { Config } from './config/config.ts';
import type { PortDecorators } from './engine/decorators.ts';
import { type Engine, openEngine } from './engine/engine.ts';
import { consoleLog, openLog } from './logging.ts';
import type { StackService } from './service.ts';
import { type ServiceName, wholeStack } from './service-names.ts';
import { gatewayService } from './services/gateway.ts';
import { loggerService } from './services/logger.ts';
import { notifyService } from './services/notify.ts';
import { orderService } from './services/order.ts';
import { paymentService } from './services/payment.ts';
import { serve } from './services/server.ts';
import { walletService } from './services/wallet.ts';

/** A stack that runs. */
export interface RunningStack {
  readonly engine: Engine;
  /** The names of the services that run in this process. */
  readonly services: readonly ServiceName[];
  readonly server: RpcServer;
  health(): Promise<Health>;
  /** Stops it within the time that the settings give. */
  stop(): Promise<void>;
}

const all: Readonly<Record<ServiceName, StackService>> = {
  gateway: gatewayService,
  logger: loggerService,
  notify: notifyService,
  wallet: walletService,
  payment: paymentService,
  order: orderService,
};

/** Starts services in this process; `also` is told what they count and trace, `decorate` puts something around their ports. Throws if one cannot start; those that did are stopped again. */
export async function startStack(
  config: Config,
  names: readonly ServiceName[] = wholeStack,
  also: readonly Telemetry[] = [],
  decorate?: PortDecorators,
): Promise<RunningStack> {
  const engine = await openEngine(config, names, also, decorate);
  const rpc: RpcService[] = [];
  let server: RpcServer | undefined;

  const componentOf = ({ name, essential, logs, start }: StackService): Component => ({
    name,
    essential,
    start: async () => {
      const log = openLog(engine, name, logs && engine.topics[logs]);
      const started = await start(engine, log.logger);
      rpc.push(...(started.rpc ?? []));
      const close = async (timeoutMs = config.PAYSTREAM_SHUTDOWN_TIMEOUT_MS): Promise<void> => {
        const endMs = systemClock.monotonic() + timeoutMs;
        try {
          await started.running.close(timeoutMs);
        } finally {
          await log.close(Math.max(0, endMs - systemClock.monotonic()));
        }
      };
      return { check: async () => started.running.check?.(), close };
    },
  });
  const startServer = async (): Promise<RpcServer> => {
    server = await serve(engine, rpc, () => lifecycle.health(), consoleLog(config, 'server', engine.metrics.telemetry));
    return server;
  };
  const lifecycle = createLifecycle([
    { name: 'engine', start: async () => engine },
    ...names.map((name) => componentOf(all[name])),
    { name: 'server', start: startServer },
  ]);
  await lifecycle.start();
  if (server === undefined) throw new PaystreamError('INTERNAL', 'the server did not start', { reason: 'NO_SERVER' });
  return { engine, services: names, server, health: lifecycle.health, stop: () => lifecycle.stop(config.PAYSTREAM_SHUTDOWN_TIMEOUT_MS) };
}
