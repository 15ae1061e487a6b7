import type { Books } from './books.ts';
import type { Placed } from './place.ts';

/** The result of a run, for programs. */
export interface Report {
  readonly placed?: {
    readonly accepted: number;
    readonly refused: number;
    readonly states: Readonly<Record<string, number>>;
    readonly errors: Readonly<Record<string, number>>;
    readonly ordersPerSecond: number;
    readonly acceptMs: Quantiles;
    readonly settleMs: Quantiles;
  };
  readonly books: Books;
  /** What is wrong; empty if nothing is. */
  readonly faults: readonly string[];
}

interface Quantiles {
  readonly p50: number | null;
  readonly p99: number | null;
}

const tenths = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value * 10) / 10);

/** Puts a run and the books after it together. */
export function createReport(placed: Placed | undefined, books: Books, faults: readonly string[]): Report {
  if (placed === undefined) return { books, faults };
  const { accepted, refused, states, errors, toAccept, toSettle, elapsedMs } = placed;
  const quantiles = (from: typeof toAccept): Quantiles => ({ p50: tenths(from.quantile(0.5)), p99: tenths(from.quantile(0.99)) });
  return {
    placed: {
      accepted,
      refused,
      states,
      errors,
      ordersPerSecond: Math.round((accepted / elapsedMs) * 1_000),
      acceptMs: quantiles(toAccept),
      settleMs: quantiles(toSettle),
    },
    books,
    faults,
  };
}

/** The same as a table for people. */
export function formatReport({ placed, books, faults }: Report): string {
  const rows: [string, string][] = [];
  if (placed !== undefined) {
    rows.push(['accepted', `${placed.accepted}  (${placed.ordersPerSecond}/s)`]);
    if (placed.refused > 0) rows.push(['refused', `${placed.refused}`]);
    for (const state of ['PAID', 'DECLINED', 'EXPIRED']) rows.push([state.toLowerCase(), `${placed.states[state] ?? 0}`]);
    for (const [state, count] of Object.entries(placed.states)) {
      if (!['PAID', 'DECLINED', 'EXPIRED'].includes(state)) rows.push([state.toLowerCase().replaceAll('_', ' '), `${count}`]);
    }
    rows.push(['to accept, p50 / p99', `${placed.acceptMs.p50} / ${placed.acceptMs.p99} ms`]);
    rows.push(['to settle, p50 / p99', `${placed.settleMs.p50} / ${placed.settleMs.p99} ms`]);
  }
  const charged = books.charged.length === 0 ? '' : `  (${books.charged.join(', ')})`;
  rows.push(['charges in the gateway’s book', `${books.charges}${charged}`]);
  rows.push(['orders charged twice', `${books.chargedTwice}`]);
  const sums = Object.entries(books.ledgerSums);
  if (sums.length === 0) rows.push(['ledger sum', 'no transfer yet']);
  for (const [currency, sum] of sums) rows.push([`ledger sum, ${currency}`, sum]);
  rows.push(['transfers in the ledger', `${books.transfers}`]);
  rows.push(['notifications delivered', `${books.notificationsDelivered}`]);
  rows.push(['log entries stored', `${books.logEntries}`]);
  const width = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
  const errors = Object.entries(placed?.errors ?? {}).map(([error, count]) => `  ${count} × ${error}`);
  return [
    ...table,
    ...(errors.length > 0 ? ['', 'Refused:', ...errors] : []),
    '',
    ...(faults.length > 0 ? ['The books are wrong:', ...faults.map((fault) => `  ${fault}`)] : ['The books are right.']),
  ].join('\n');
}
