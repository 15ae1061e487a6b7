import { systemRandom } from '@paystream/core';
import { createSeededRandom } from '@paystream/core/testing';
import { gatewayRpcService } from '@paystream/payment/remote';
import { createSimulatedGateway, type SimulatedGateway } from '@paystream/payment/simulated';
import type { Engine } from '../engine/engine.ts';
import type { StackService } from '../service.ts';

/** The simulated gateway that the settings describe; its book is a file of its own. */
export function openGateway({ config, path }: Pick<Engine, 'config' | 'path'>): Promise<SimulatedGateway> {
  const seed = config.PAYSTREAM_GATEWAY_SEED;
  return createSimulatedGateway({
    path: path('gateway.sqlite'),
    synchronous: config.PAYSTREAM_SYNCHRONOUS,
    latencyMs: config.PAYSTREAM_GATEWAY_LATENCY_MS,
    behaviours: config.PAYSTREAM_GATEWAY_MIX,
    random: seed === undefined ? systemRandom : createSeededRandom(seed),
  });
}

/** Serves the simulated gateway to payment services in other processes: where a real gateway would be. */
export const gatewayService: StackService = {
  name: 'gateway',
  start: async (engine) => {
    const gateway = await openGateway(engine);
    return { running: { close: () => gateway.close() }, rpc: [gatewayRpcService(gateway)] };
  },
};
