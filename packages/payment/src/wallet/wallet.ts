import {
  type Broker,
  type Clock,
  type Consumer,
  createConsumer,
  createIdGenerator,
  type Delivery,
  type Logger,
  noTelemetry,
  PaystreamError,
  type Random,
  type Running,
  silentLogger,
  systemClock,
  systemRandom,
  type Telemetry,
  type TraceContext,
} from '@paystream/core';
import {
  createBusinessLog,
  type PaystreamTopics,
  paystreamTopics,
  type TransactionEvent,
  type Wallet as WalletMessage,
} from '@paystream/core/contracts';
import { createOutbox, type Database, type MigrationMode, type Outbox, outboxEvent, type Transaction } from '@paystream/core/sql';
import { elapsed } from '../processor/elapsed.ts';
import { startKeptRefunds } from './kept-refunds.ts';
import { createLedger, type Posted } from './ledger.ts';
import { toWalletMessage, toWalletUpdate, transferFact } from './messages.ts';
import { walletMigrations } from './migrations.ts';
import { defaultWalletFees, type Operation, operationOf, type WalletFees } from './transfer.ts';
import type { LedgerSums } from './trial-balance.ts';

/** Options of {@link createWallet}. */
export interface WalletOptions {
  /** Where the ledger is stored. Not closed by the wallet. */
  readonly database: Database;
  /** What carries events. Not closed by the wallet. */
  readonly broker: Broker;
  /** What is kept of each sale. What is left out has its default: 290 basis points and 30 minor units. */
  readonly fees?: Partial<WalletFees> | undefined;
  /** The outbox of the process, if it has one. Default: one of its own, which it closes. */
  readonly outbox?: Outbox | undefined;
  /** The topics. Default: `paystreamTopics()`. */
  readonly topics?: Pick<PaystreamTopics, 'transactions' | 'walletUpdates' | 'transactionLogs'> | undefined;
  /** The durable subscription to `transactions`, shared by all replicas. Default: `wallet`. */
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

/** Merchants' wallets over a double-entry ledger. */
export interface Wallet extends Running, AsyncDisposable {
  /** A merchant's wallets, one for each currency in which they sold; empty without a sale. */
  getWallet(merchantId: string): Promise<readonly WalletMessage[]>;
  /**
   * Adds up the whole ledger. Every sum is 0 and no account is unbalanced, or money was made or lost. It reads range by range and
   * takes no account for wrong that is booked meanwhile; it keeps some hundred bytes for each account. Accounts that do not add
   * up in this way are read by one statement; if that fails they are `unchecked`, and the reason is logged.
   */
  trialBalance(): Promise<LedgerSums>;
}

function checkFees(fees: WalletFees): WalletFees {
  const fixed = typeof fees.fixedUnits === 'bigint' ? [fees.fixedUnits] : Object.values(fees.fixedUnits);
  const fits = Number.isSafeInteger(fees.basisPoints) && fees.basisPoints >= 0 && fees.basisPoints <= 10_000;
  if (fits && fixed.every((units) => units >= 0n)) return fees;
  throw new PaystreamError('INVALID_ARGUMENT', 'fees: basisPoints must be an integer from 0 to 10,000, fixedUnits not negative', {
    reason: 'INVALID_FEES',
  });
}

/**
 * Starts the wallet: it consumes `transactions`, books each settlement and refund once in the ledger, and publishes on
 * `merchant-wallet-updates` how the merchant's wallet stands after it. Any number of replicas may share a database and a broker.
 *
 * An operation that was booked before with another amount goes to the dead-letter topic; nothing is booked for it.
 *
 * Throws `INVALID_ARGUMENT` / `INVALID_FEES`, `UNAVAILABLE` if database or broker cannot be reached or the broker refuses one of the
 * topics, `FAILED_PRECONDITION` / `SCHEMA_INCOMPLETE` where a table or column was dropped, `SCHEMA_OUT_OF_DATE` where migrations are
 * only checked.
 *
 * @example
 * const wallet = await createWallet({ database, broker, fees: { basisPoints: 150, fixedUnits: 25n } });
 * const [eur] = await wallet.getWallet('m-1');
 */
export async function createWallet(options: WalletOptions): Promise<Wallet> {
  const { database, broker, clock = systemClock, random = systemRandom } = options;
  const { logger = silentLogger, telemetry = noTelemetry, topics = paystreamTopics() } = options;
  const fees = checkFees({ ...defaultWalletFees, ...options.fees });
  const { migrations = 'apply' } = options;
  await database.migrate(walletMigrations, migrations);

  const ledger = createLedger(database, fees, logger);
  const outbox = options.outbox ?? (await createOutbox({ database, broker, clock, random, logger, telemetry, migrations }));
  const nextId = createIdGenerator(clock, random);
  const log = createBusinessLog({ topic: topics.transactionLogs, service: 'wallet', clock, nextId, telemetry });

  /** Books in a transaction of its own, and tells of what was booked. */
  const bookAndTell = async (
    bookIn: (tx: Transaction, nowMs: number) => Promise<readonly Posted[]>,
    traceOf: (operationId: string) => TraceContext | undefined,
  ): Promise<void> => {
    const booked = await database.transaction(async (tx) => {
      const nowMs = clock.now();
      const posted = await bookIn(tx, nowMs);
      if (posted.length === 0) return 0;
      const events = posted.flatMap((one) => {
        const eventId = `wallet:${one.transfer.operationId}`;
        const trace = traceOf(one.transfer.operationId);
        const update = outboxEvent(topics.walletUpdates, toWalletUpdate(one, nowMs), { ...trace, eventId, occurredAtMs: nowMs });
        return [update, log({ ...transferFact(one), ...(trace && { trace }) })];
      });
      await outbox.add(tx, events);
      return posted.length;
    });
    telemetry.count('paystream_wallet_transfers_total', {}, booked);
  };

  const book = async (batch: readonly Delivery<TransactionEvent>[]): Promise<void> => {
    const operations = batch.map(({ value }) => operationOf(value)).filter((operation): operation is Operation => operation !== undefined);
    if (operations.length === 0) return;
    const traces = new Map(
      batch.map(({ value, traceparent, tracestate }) => [operationOf(value)?.operationId, { traceparent, tracestate }]),
    );
    await bookAndTell(
      (tx, nowMs) => ledger.book(tx, operations, nowMs),
      (operationId) => traces.get(operationId),
    );
  };
  const bookKept = (orderId: string): Promise<void> =>
    bookAndTell(
      (tx, nowMs) => ledger.bookKept(tx, orderId, nowMs),
      () => undefined,
    );

  const closeOutbox = async (timeoutMs: number): Promise<void> => {
    if (options.outbox === undefined) await outbox.close(timeoutMs);
  };
  const start = async (): Promise<Consumer> => {
    await outbox.prepare([topics.walletUpdates, topics.transactionLogs]);
    return createConsumer(broker, topics.transactions, {
      subscription: options.subscription ?? 'wallet',
      handleBatch: book,
      clock,
      random,
      logger,
      telemetry,
    });
  };
  const consumer = await start().catch(async (error: unknown) => {
    await closeOutbox(0);
    throw error;
  });
  const kept = startKeptRefunds({ ripe: ledger.ripe, book: bookKept, clock, logger });
  const shutDown = async (timeoutMs: number): Promise<void> => {
    const looked = kept.close();
    try {
      // It may wait for locks, and comes again with the next start.
      await Promise.all([consumer.close(timeoutMs), Promise.race([looked, elapsed(clock, timeoutMs, looked)])]);
    } finally {
      await closeOutbox(timeoutMs);
    }
  };
  let closing: Promise<void> | undefined;
  const close = (timeoutMs = 10_000): Promise<void> => {
    closing ??= shutDown(timeoutMs);
    return closing;
  };

  return {
    getWallet: async (merchantId) => (await ledger.balances(merchantId)).map(toWalletMessage),
    trialBalance: ledger.sums,
    check: async () => consumer.check?.(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
