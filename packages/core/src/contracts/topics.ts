import { type LogEntry, LogEntrySchema } from '../gen/paystream/log/v1/log_pb.ts';
import { type OrderEvent, OrderEventSchema, type OrderUpdate, OrderUpdateSchema } from '../gen/paystream/order/v1/order_events_pb.ts';
import { type TransactionEvent, TransactionEventSchema } from '../gen/paystream/payment/v1/payment_events_pb.ts';
import { type WalletUpdate, WalletUpdateSchema } from '../gen/paystream/wallet/v1/wallet_pb.ts';
import { protobuf } from '../topic/protobuf-codec.ts';
import { defineTopic, type Topic } from '../topic/topic.ts';

/** The names of the topics that the services meet on. */
export interface TopicNames {
  /** Order service → payment. Default: `orders`. */
  readonly orders: string;
  /** Payment → order service, wallet. Default: `transactions`. */
  readonly transactions: string;
  /** Order service → every replica of it. Default: `order-updates`. */
  readonly orderUpdates: string;
  /** Wallet → notifier. Default: `merchant-wallet-updates`. */
  readonly walletUpdates: string;
  /** Order service → log sink. Default: `order-logs-topic`. */
  readonly orderLogs: string;
  /** Payment, wallet, notifier → log sink. Default: `transactions-logs-topic`. */
  readonly transactionLogs: string;
}

/** The names that topics have unless told otherwise. */
export const defaultTopicNames: TopicNames = {
  orders: 'orders',
  transactions: 'transactions',
  orderUpdates: 'order-updates',
  walletUpdates: 'merchant-wallet-updates',
  orderLogs: 'order-logs-topic',
  transactionLogs: 'transactions-logs-topic',
};

/** The topics that the services meet on. */
export interface PaystreamTopics {
  /** Order service → payment. */
  readonly orders: Topic<OrderEvent>;
  /** Payment → order service, wallet. */
  readonly transactions: Topic<TransactionEvent>;
  /** Order service → every replica of it. */
  readonly orderUpdates: Topic<OrderUpdate>;
  /** Wallet → notifier. */
  readonly walletUpdates: Topic<WalletUpdate>;
  /** Order service → log sink. */
  readonly orderLogs: Topic<LogEntry>;
  /** Payment, wallet, notifier → log sink. */
  readonly transactionLogs: Topic<LogEntry>;
}

function orderIdOf(event: OrderEvent): string {
  if (event.event.case === 'placed') return event.event.value.order?.orderId ?? '';
  return event.event.value?.orderId ?? '';
}

/** The contracts of all topics, under their default names or the ones given. */
export function paystreamTopics(names: Partial<TopicNames> = {}): PaystreamTopics {
  const all = { ...defaultTopicNames, ...names };
  const logs = (name: string): Topic<LogEntry> =>
    defineTopic({ name, codec: protobuf(LogEntrySchema), key: (entry) => entry.orderId || entry.entryId });
  return {
    orders: defineTopic({ name: all.orders, codec: protobuf(OrderEventSchema), key: orderIdOf }),
    transactions: defineTopic({ name: all.transactions, codec: protobuf(TransactionEventSchema), key: (event) => event.orderId }),
    orderUpdates: defineTopic({ name: all.orderUpdates, codec: protobuf(OrderUpdateSchema), key: (update) => update.order?.orderId ?? '' }),
    walletUpdates: defineTopic({ name: all.walletUpdates, codec: protobuf(WalletUpdateSchema), key: (update) => update.merchantId }),
    orderLogs: logs(all.orderLogs),
    transactionLogs: logs(all.transactionLogs),
  };
}
