import { createWallet, walletRpcService } from '@paystream/payment/wallet';
import type { StackService } from '../service.ts';

/** Books what was charged in the ledger and publishes how each merchant's wallet stands. */
export const walletService: StackService = {
  name: 'wallet',
  logs: 'transactionLogs',
  start: async ({ config, database, broker, outbox, topics, metrics }, logger) => {
    const running = await createWallet({
      database,
      broker,
      outbox,
      topics,
      migrations: config.PAYSTREAM_MIGRATIONS,
      logger,
      telemetry: metrics.telemetry,
      fees: { basisPoints: config.PAYSTREAM_FEE_BASIS_POINTS, fixedUnits: config.PAYSTREAM_FEE_FIXED_UNITS },
    });
    return { running, rpc: [walletRpcService(running)] };
  },
};
