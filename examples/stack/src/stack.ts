import { type Component, createLifecycle, type Health, PaystreamError, type RpcService } from '@paystream/core';
import type { RpcServer } from '@paystream/core/server';
import type { Config } from './config.ts';
import { type Engine, openEngine } from './engine.ts';
import { consoleLog, openLog } from './logging.ts';
import type { StackService } from './service.ts';
import { loggerService } from './services/logger.ts';
import { notifyService } from './services/notify.ts';
import { orderService } from './services/order.ts';
import { paymentService } from './services/payment.ts';
import { serve } from './services/server.ts';
import { walletService } from './services/wallet.ts';

/** A stack that runs. */
export interface RunningStack {
  readonly engine: Engine;
  readonly server: RpcServer;
  health(): Promise<Health>;
  /** Stops it within the time that the settings give. */
  stop(): Promise<void>;
}

/** Every service, those first whose topics others publish to. */
const services: readonly StackService[] = [loggerService, notifyService, walletService, paymentService, orderService];

/** Starts every service in this process. Throws if one cannot start; those that did are stopped again. */
export async function startStack(config: Config): Promise<RunningStack> {
  const engine = await openEngine(config);
  const rpc: RpcService[] = [];
  let server: RpcServer | undefined;

  const componentOf = ({ name, essential, logs, start }: StackService): Component => ({
    name,
    essential,
    start: async () => {
      const log = openLog(engine, name, logs && engine.topics[logs]);
      const started = await start(engine, log.logger);
      rpc.push(...(started.rpc ?? []));
      const close = async (timeoutMs?: number): Promise<void> => {
        await started.running.close(timeoutMs);
        await log.close();
      };
      return { check: async () => started.running.check?.(), close };
    },
  });
  const startServer = async (): Promise<RpcServer> => {
    server = await serve(engine, rpc, () => lifecycle.health(), consoleLog(config, 'server'));
    return server;
  };
  const lifecycle = createLifecycle([
    { name: 'engine', start: async () => engine },
    ...services.map(componentOf),
    { name: 'server', start: startServer },
  ]);
  await lifecycle.start();
  if (server === undefined) throw new PaystreamError('INTERNAL', 'the server did not start', { reason: 'NO_SERVER' });
  return { engine, server, health: lifecycle.health, stop: () => lifecycle.stop(config.PAYSTREAM_SHUTDOWN_TIMEOUT_MS) };
}
