import type { Broker, Clock, Logger, Random, Telemetry } from '@paystream/core';
import type { PaystreamTopics } from '@paystream/core/contracts';
import type { Database, MigrationMode, Outbox } from '@paystream/core/sql';
import type { Gateway } from '../gateway/port.ts';
import type { PaymentPolicy } from '../payment/policy.ts';

/** Options of `createPaymentProcessor`. */
export interface PaymentProcessorOptions {
  /** Where payments and attempts are stored. Not closed by the processor. */
  readonly database: Database;
  /** What carries events. Not closed by the processor. */
  readonly broker: Broker;
  /** What charges. */
  readonly gateway: Gateway;
  /** How payments are tried, looked up and given up. What is left out has its default. */
  readonly policy?: Partial<PaymentPolicy> | undefined;
  /** The outbox of the process, if it has one. Default: one of its own, which it closes. */
  readonly outbox?: Outbox | undefined;
  /** The topics. Default: `paystreamTopics()`. */
  readonly topics?: Pick<PaystreamTopics, 'orders' | 'transactions' | 'transactionLogs'> | undefined;
  /** The durable subscription to `orders`, shared by all replicas. Default: `payment`. */
  readonly subscription?: string | undefined;
  /** Apply migrations, or only check that they were. Default: `apply`. */
  readonly migrations?: MigrationMode | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** For ids, and for jitter. Default: the system's. */
  readonly random?: Random | undefined;
  /** Default: nothing is written. */
  readonly logger?: Logger | undefined;
  /** Gets what is counted, measured and traced. Default: keeps nothing. */
  readonly telemetry?: Telemetry | undefined;
}
