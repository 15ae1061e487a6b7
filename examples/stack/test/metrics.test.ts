import { expect, it } from 'vitest';
import { createTestStack } from './test-stack.ts';

it('what should never happen is on /metrics from the start, so that an alarm on its increase hears of the first time', async () => {
  await using stack = await createTestStack();
  const text = await (await fetch(`${stack.http}/metrics`)).text();
  const zeros = (metric: string) =>
    [...text.matchAll(new RegExp(`^${metric}\\{(.*)\\} 0$`, 'gm'))].map(([, labels = '']) => labels.replaceAll('"', ''));
  const consumers = [
    'orders/payment',
    'transactions/order',
    'transactions/wallet',
    'merchant-wallet-updates/notifier',
    'order-logs-topic/log-sink',
  ];
  const letters = zeros('paystream_consumer_messages_total');
  for (const outcome of ['dead-lettered', 'undecodable']) {
    const known = letters.filter((labels) => labels.endsWith(`outcome=${outcome}`));
    const named = known.map((labels) => labels.replace(/^topic=(.*),subscription=(.*),outcome=.*$/, '$1/$2'));
    expect(named).toEqual(expect.arrayContaining(consumers));
  }
  const published = ['orders', 'order-updates', 'transactions', 'merchant-wallet-updates', 'order-logs-topic'];
  expect(zeros('paystream_outbox_failures_total')).toEqual(expect.arrayContaining(published.map((topic) => `topic=${topic}`)));
  const writers = ['order', 'payment', 'wallet', 'notify'];
  const writing = (metric: string) => zeros(metric).map((labels) => labels.replace(/^.*,service=/, ''));
  expect(writing('paystream_log_lines_dropped_total').sort()).toEqual(writers.toSorted());
});
