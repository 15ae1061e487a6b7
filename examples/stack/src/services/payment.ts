import { systemRandom } from '@paystream/core';
import { createSeededRandom } from '@paystream/core/testing';
import { createPaymentProcessor, paymentRpcService } from '@paystream/payment';
import { createSimulatedGateway } from '@paystream/payment/simulated';
import type { StackService } from '../service.ts';

/** Charges orders at the simulated gateway, whose book is a file of its own. */
export const paymentService: StackService = {
  name: 'payment',
  logs: 'transactionLogs',
  start: async ({ config, database, broker, outbox, topics, metrics, path }, logger) => {
    const seed = config.PAYSTREAM_GATEWAY_SEED;
    const gateway = await createSimulatedGateway({
      path: path('gateway.sqlite'),
      synchronous: config.PAYSTREAM_SYNCHRONOUS,
      latencyMs: config.PAYSTREAM_GATEWAY_LATENCY_MS,
      behaviours: config.PAYSTREAM_GATEWAY_MIX,
      random: seed === undefined ? systemRandom : createSeededRandom(seed),
    });
    const lookupDelaysMs = config.PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS;
    const processor = await createPaymentProcessor({
      database,
      broker,
      gateway,
      outbox,
      topics,
      logger,
      telemetry: metrics.telemetry,
      policy: {
        attempts: config.PAYSTREAM_PAYMENT_ATTEMPTS,
        retryDelayMs: config.PAYSTREAM_PAYMENT_RETRY_DELAY_MS,
        expiryMs: config.PAYSTREAM_PAYMENT_EXPIRY_MS,
        callTimeoutMs: config.PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS,
        ...(lookupDelaysMs === undefined ? {} : { lookupDelaysMs }),
      },
    });
    const close = async (timeoutMs?: number): Promise<void> => {
      await processor.close(timeoutMs);
      await gateway.close();
    };
    return { running: { check: async () => processor.check?.(), close }, rpc: [paymentRpcService(processor)] };
  },
};
