import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { type Clock, formatMoney } from '@paystream/core';
import {
  DeliveryState,
  fromMoneyMessage,
  LogKind,
  LogService,
  NotificationService,
  PaymentService,
  type ReconcileResponse,
  WalletService,
} from '@paystream/core/contracts';
import type { Places } from './options.ts';

/** What the running stack says of its books. */
export interface Books {
  /** Charges in the gateway's own book that were not given back. */
  readonly charges: number;
  /** Their sum for each currency. */
  readonly charged: readonly string[];
  /** Orders with more than one of them. Must be 0. */
  readonly chargedTwice: number;
  /** Differences between the gateway's book and the payments. Must be empty. */
  readonly discrepancies: readonly string[];
  readonly paymentsSettled: number;
  readonly paymentsOpen: number;
  readonly transfers: number;
  /** For each currency the sum of all postings. Must be 0. */
  readonly ledgerSums: Readonly<Record<string, string>>;
  /** Accounts whose balance is not the sum of their postings. Must be empty. */
  readonly unbalancedAccounts: readonly string[];
  /** Accounts of which nobody can say whether it is. Empty unless the ledger is large and much is booked. */
  readonly uncheckedAccounts: readonly string[];
  readonly notificationsDelivered: number;
  readonly notificationsPending: number;
  readonly notificationsFailed: number;
  readonly logEntries: number;
  /** Business entries, by event. */
  readonly businessEntries: Readonly<Record<string, number>>;
}

/** Reads the books of a running stack. */
export interface BookReader {
  read(): Promise<Books>;
  /** Reads until nothing is open and nothing changes any more (for half a second if they are right, for 15 s if not), or `timeoutMs` is over. */
  settled(timeoutMs: number): Promise<Books>;
}

const readAgainMs = 500;
// What failed is tried again after some seconds: books that are wrong may still come right.
const patienceMs = 15_000;

/** Options of {@link createBookReader}. */
export interface BookReaderOptions {
  /** `127.0.0.1:50051` */
  readonly target: string;
  /** Services that listen elsewhere. */
  readonly at?: Places;
  readonly apiKey?: string | undefined;
  /** Whether old log entries are removed. Default: false. */
  readonly logsRemoved?: boolean;
  readonly clock: Clock;
}

/** Asks the stack's services over gRPC. */
export function createBookReader(options: BookReaderOptions): BookReader {
  const { target, at = {} } = options;
  const transportTo = (place = target) =>
    createGrpcTransport({
      baseUrl: `http://${place}`,
      interceptors: [
        (next) => (request) => {
          if (options.apiKey !== undefined) request.header.set('authorization', `Bearer ${options.apiKey}`);
          return next(request);
        },
      ],
    });
  const payments = createClient(PaymentService, transportTo(at.payment));
  const wallets = createClient(WalletService, transportTo(at.wallet));
  const logs = createClient(LogService, transportTo(at.logger));
  const notifications = createClient(NotificationService, transportTo(at.notify));

  const read = async (): Promise<Books> => {
    const [reconciled, balance, stored, deliveries] = await Promise.all([
      payments.reconcile({}),
      wallets.getTrialBalance({}),
      logs.countLogEntries({}),
      notifications.countDeliveries({}),
    ]);
    const delivered = (...states: readonly DeliveryState[]): number =>
      deliveries.counts.filter((row) => states.includes(row.state)).reduce((sum, row) => sum + Number(row.count), 0);
    const business = stored.counts.filter((row) => row.kind === LogKind.BUSINESS);
    return {
      ...gatewayBook(reconciled),
      transfers: Number(balance.transfers),
      ledgerSums: Object.fromEntries(balance.sums.map((sum) => [sum.currency, sum.units.toString()])),
      unbalancedAccounts: balance.unbalancedAccounts,
      uncheckedAccounts: balance.uncheckedAccounts,
      notificationsDelivered: delivered(DeliveryState.DELIVERED),
      notificationsPending: delivered(DeliveryState.PENDING),
      notificationsFailed: delivered(DeliveryState.FAILED, DeliveryState.REJECTED, DeliveryState.UNKNOWN),
      logEntries: stored.counts.reduce((sum, row) => sum + Number(row.count), 0),
      businessEntries: Object.fromEntries(business.map((row) => [row.event, Number(row.count)])),
    };
  };

  const settled = async (timeoutMs: number): Promise<Books> => {
    const { clock } = options;
    const end = clock.monotonic() + timeoutMs;
    let before = '';
    let sinceMs = clock.monotonic();
    for (;;) {
      const books = await read();
      const now = JSON.stringify(books);
      if (now !== before) sinceMs = clock.monotonic();
      const open = books.paymentsOpen + books.notificationsPending > 0;
      const enoughMs = faultsIn(books, options.logsRemoved).length === 0 ? readAgainMs : patienceMs;
      if ((!open && clock.monotonic() - sinceMs >= enoughMs) || clock.monotonic() >= end) return books;
      before = now;
      await clock.sleep(readAgainMs);
    }
  };
  return { read, settled };
}

function gatewayBook(reconciled: ReconcileResponse) {
  return {
    charges: Number(reconciled.charges),
    charged: reconciled.charged.map((sum) => formatMoney(fromMoneyMessage(sum))),
    chargedTwice: Number(reconciled.chargedTwice),
    discrepancies: reconciled.discrepancies.map((found) => `${found.gatewayKey}: ${found.detail}`),
    paymentsSettled: Number(reconciled.settled),
    paymentsOpen: Number(reconciled.open),
  };
}

/** What is wrong with the books, a line each; empty if nothing is. Where old log entries are removed, there may be fewer than payments. */
export function faultsIn(books: Books, logsRemoved = false): readonly string[] {
  const faults: string[] = [];
  const mustBe = (name: string, seen: number, right: number): void => {
    if (seen !== right) faults.push(`${name}: ${seen}, expected ${right}`);
  };
  mustBe('orders charged twice', books.chargedTwice, 0);
  mustBe('payments still open', books.paymentsOpen, 0);
  mustBe('notifications not sent yet', books.notificationsPending, 0);
  mustBe('notifications that failed', books.notificationsFailed, 0);
  for (const [currency, sum] of Object.entries(books.ledgerSums))
    if (sum !== '0') faults.push(`ledger sum in ${currency}: ${sum}, expected 0`);
  for (const account of books.unbalancedAccounts) faults.push(`account ${account}: the balance is not the sum of its postings`);
  for (const account of books.uncheckedAccounts)
    faults.push(`unchecked account ${account}: it is booked all the time or does not add up, and the statement that tells which failed`);
  for (const difference of books.discrepancies) faults.push(`gateway and payments differ: ${difference}`);
  mustBe('charges in the gateway’s book', books.charges, books.paymentsSettled);
  mustBe('transfers in the ledger', books.transfers, books.paymentsSettled);
  mustBe('notifications delivered', books.notificationsDelivered, 2 * books.paymentsSettled);
  for (const [event, right] of Object.entries({
    'order.paid': books.paymentsSettled,
    'payment.settled': books.paymentsSettled,
    'wallet.sale.booked': books.paymentsSettled,
    'notification.delivered': 2 * books.paymentsSettled,
  })) {
    const logged = books.businessEntries[event] ?? 0;
    if (!logsRemoved || logged > right) mustBe(`log entries of ${event}`, logged, right);
  }
  return faults;
}
