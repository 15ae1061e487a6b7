import { createLogSink, logRpcService } from '@paystream/logger/sink';
import type { StackService } from '../service.ts';

const dayMs = 86_400_000;

/** Stores what every service logs, in the table `log_entries` and in a rotating file. */
export const loggerService: StackService = {
  name: 'logger',
  // Orders are taken and paid while entries cannot be stored: they wait on their topics.
  essential: false,
  start: async ({ config, database, broker, topics, metrics, path }, logger) => {
    const days = config.PAYSTREAM_LOG_RETENTION_DAYS;
    const running = await createLogSink({
      broker,
      database,
      migrations: config.PAYSTREAM_MIGRATIONS,
      ...(config.PAYSTREAM_INSTANCE === undefined ? {} : { instance: config.PAYSTREAM_INSTANCE }),
      topics: [topics.orderLogs, topics.transactionLogs],
      file: {
        directory: config.PAYSTREAM_LOG_DIR ?? path('logs'),
        keep: config.PAYSTREAM_LOG_FILES,
        fsync: config.PAYSTREAM_SYNCHRONOUS === 'full',
      },
      ...(days === undefined ? {} : { retentionMs: days * dayMs }),
      logger,
      telemetry: metrics.telemetry,
    });
    return { running, rpc: [logRpcService(running)] };
  },
};
