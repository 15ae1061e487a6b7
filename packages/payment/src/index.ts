/** The payment processor: charges an order once, through any gateway. */
export type {
  Approved,
  ChargeAnswer,
  ChargeRequest,
  DeclineClass,
  Declined,
  Gateway,
  GatewayAbilities,
  GatewayCharge,
  LookupAnswer,
  Period,
  RefundAnswer,
  RefundRequest,
} from './gateway/port.ts';
export { defaultPaymentPolicy, type PaymentPolicy } from './payment/policy.ts';
export type { PaymentProcessorOptions } from './processor/options.ts';
export type { PaymentProcessor } from './processor/port.ts';
export { createPaymentProcessor } from './processor/processor.ts';
export { paymentRpcService } from './processor/rpc.ts';
export type { Refund, RefundStatus } from './refund/refund.ts';
export type { RefundInput } from './refund/refunds.ts';
export { paymentMigrations } from './store/migrations.ts';
