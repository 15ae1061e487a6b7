import { createGrpcTransport } from '@connectrpc/connect-node';
import { PaystreamError, type Telemetry } from '@paystream/core';
import { createPaymentProcessor, type Gateway, paymentRpcService } from '@paystream/payment';
import { createRemoteGateway } from '@paystream/payment/remote';
import type { Config } from '../config/config.ts';
import type { StackService } from '../service.ts';
import { openGateway } from './gateway.ts';

/** The gateway that another process serves. */
async function remoteGateway(baseUrl: string, config: Config, telemetry: Telemetry): Promise<Gateway> {
  const { PAYSTREAM_GATEWAY_KEY: key, PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: timeoutMs } = config;
  const signal = AbortSignal.timeout(timeoutMs);
  const transport = createGrpcTransport({
    baseUrl,
    interceptors: [
      (next) => (request) => {
        if (key !== undefined) request.header.set('authorization', `Bearer ${key}`);
        return next(request);
      },
    ],
  });
  try {
    return await createRemoteGateway({ transport, signal, telemetry });
  } catch (cause) {
    const { code, reason, message } = signal.aborted
      ? new PaystreamError('UNAVAILABLE', `it did not answer within ${timeoutMs} ms`, { reason: 'GATEWAY_TIMEOUT' })
      : PaystreamError.from(cause);
    const refused = code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED';
    const text = refused
      ? `the gateway at ${baseUrl} refuses us: ${message}. PAYSTREAM_GATEWAY_KEY is what it is shown: one of its keys, good for all merchants`
      : `no gateway at ${baseUrl}, where PAYSTREAM_GATEWAY_URL says: ${message}`;
    throw new PaystreamError(code, text, { reason, cause });
  }
}

/** Charges orders: at the gateway that is served elsewhere, or at the simulated one in this process. */
export const paymentService: StackService = {
  name: 'payment',
  logs: 'transactionLogs',
  start: async (engine, logger) => {
    const { config, database, broker, outbox, topics, metrics, decorate } = engine;
    const url = config.PAYSTREAM_GATEWAY_URL;
    const simulated = url === undefined ? await openGateway(engine) : undefined;
    const gateway = decorate.gateway(simulated ?? (await remoteGateway(url ?? '', config, metrics.telemetry)));
    const lookupDelaysMs = config.PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS;
    const processor = await createPaymentProcessor({
      database,
      broker,
      gateway,
      outbox,
      topics,
      migrations: config.PAYSTREAM_MIGRATIONS,
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
      await simulated?.close();
    };
    return { running: { check: async () => processor.check?.(), close }, rpc: [paymentRpcService(processor)] };
  },
};
