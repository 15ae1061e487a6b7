import { PaystreamError } from '@paystream/core';
import { WalletUpdateKind } from '@paystream/core/contracts';
import { createNotifier, notificationRpcService, refundEmail, refundSms, saleEmail, saleSms } from '@paystream/notify';
import { fileChannel } from '@paystream/notify/file';
import { smtpChannel } from '@paystream/notify/smtp';
import { sqlCatalog } from '@paystream/order';
import type { StackService } from '../service.ts';

/** Tells merchants of sales and refunds by email and phone. */
export const notifyService: StackService = {
  name: 'notify',
  // Orders are taken and paid while a channel is away: its deliveries wait.
  essential: false,
  logs: 'transactionLogs',
  start: async ({ config, database, broker, outbox, topics, metrics, decorate, path }, logger) => {
    const { PAYSTREAM_SMTP_URL: url, PAYSTREAM_SMTP_FROM: from } = config;
    const directory = path('notifications');
    const fsync = config.PAYSTREAM_SYNCHRONOUS === 'full';
    const email = url === undefined ? fileChannel({ directory, name: 'email', fsync }) : smtpChannel({ url, from });
    const sms = fileChannel({ directory, name: 'sms', fsync });
    const catalog = sqlCatalog(database, { migrations: config.PAYSTREAM_MIGRATIONS, telemetry: metrics.telemetry });
    const merchant = async ({ merchantId }: { readonly merchantId: string }) => {
      const found = await catalog.merchant(merchantId);
      return found && { name: found.name, addresses: { email: found.email || undefined, sms: found.phone || undefined } };
    };
    const on = topics.walletUpdates;
    const notifier = await createNotifier({
      database,
      broker,
      outbox,
      logger,
      telemetry: metrics.telemetry,
      logTopic: topics.transactionLogs,
      migrations: config.PAYSTREAM_MIGRATIONS,
      retry: { giveUpAfterMs: config.PAYSTREAM_NOTIFY_GIVE_UP_AFTER_MS },
      ...(config.PAYSTREAM_INSTANCE === undefined ? {} : { instance: config.PAYSTREAM_INSTANCE }),
      channels: { email: decorate.channel(email), sms: decorate.channel(sms) },
      rules: [
        { on, when: ({ kind }) => kind === WalletUpdateKind.SALE, to: merchant, templates: { email: saleEmail, sms: saleSms } },
        { on, when: ({ kind }) => kind === WalletUpdateKind.REFUND, to: merchant, templates: { email: refundEmail, sms: refundSms } },
      ],
    });
    const close = async (timeoutMs?: number): Promise<void> => {
      await notifier.close(timeoutMs);
      await Promise.all([email.close(), sms.close()]);
    };
    const check = async (): Promise<void> => {
      await notifier.check();
      const away = notifier.channels.filter(({ state }) => state === 'paused').map(({ channel, pausedBy }) => `${channel}: ${pausedBy}`);
      if (away.length > 0) throw new PaystreamError('UNAVAILABLE', away.join('; '), { reason: 'CHANNEL_AWAY' });
    };
    return { running: { check, close }, rpc: [notificationRpcService(notifier)] };
  },
};
