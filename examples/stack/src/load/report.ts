import type { Books } from './books.ts';
import type { Placed } from './place.ts';

/** The result of a run, for programs. */
export interface Report {
  readonly placed?: {
    readonly accepted: number;
    readonly refused: number;
    readonly unfinished: number;
    readonly notTried: number;
    /** How many orders ended in which state: `PAID`, `DECLINED` and `EXPIRED`, 0 included, and whichever others there were. */
    readonly states: Readonly<Record<string, number>>;
    readonly errors: Readonly<Record<string, number>>;
    readonly ordersPerSecond: number;
    readonly acceptMs: Quantiles;
    readonly settleMs: Quantiles;
  };
  /** Absent if they could not be read any more. */
  readonly books?: Books | undefined;
  /** What is wrong; empty if nothing is. */
  readonly faults: readonly string[];
}

interface Quantiles {
  readonly p50: number | null;
  readonly p99: number | null;
}

const tenths = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value * 10) / 10);

const usual = ['PAID', 'DECLINED', 'EXPIRED'];

/** Puts a run and the books after it together. */
export function createReport(placed: Placed | undefined, books: Books | undefined, faults: readonly string[]): Report {
  if (placed === undefined) return { books, faults };
  const { accepted, refused, unfinished, notTried, states, errors, toAccept, toSettle, elapsedMs } = placed;
  const quantiles = (from: typeof toAccept): Quantiles => ({ p50: tenths(from.quantile(0.5)), p99: tenths(from.quantile(0.99)) });
  return {
    placed: {
      accepted,
      refused,
      unfinished,
      notTried,
      states: { ...Object.fromEntries(usual.map((state) => [state, 0])), ...states },
      errors,
      ordersPerSecond: Math.round((accepted / elapsedMs) * 1_000),
      acceptMs: quantiles(toAccept),
      settleMs: quantiles(toSettle),
    },
    books,
    faults,
  };
}

type Row = readonly [name: string, value: string];

function quantileRow(name: string, { p50, p99 }: Quantiles): readonly Row[] {
  return p50 === null || p99 === null ? [] : [[name, `${p50} / ${p99} ms`]];
}

/** A row for what does not happen when all goes well. */
function unusualRow(name: string, count: number): readonly Row[] {
  return count === 0 ? [] : [[name, `${count}`]];
}

function runRows(placed: NonNullable<Report['placed']>): readonly Row[] {
  const { accepted, states } = placed;
  const others = Object.keys(states).filter((state) => !usual.includes(state));
  return [
    ['accepted', accepted === 0 ? '0' : `${accepted}  (${placed.ordersPerSecond}/s)`],
    ...unusualRow('refused', placed.refused),
    ...unusualRow('not tried any more', placed.notTried),
    ...[...usual, ...others].map((state): Row => [state.toLowerCase().replaceAll('_', ' '), `${states[state] ?? 0}`]),
    ...unusualRow('not seen to the end', placed.unfinished),
    ...quantileRow('to accept, p50 / p99', placed.acceptMs),
    ...quantileRow('to settle, p50 / p99', placed.settleMs),
  ];
}

function bookRows(books: Books): readonly Row[] {
  const sums = Object.entries(books.ledgerSums);
  const charged = books.charged.length === 0 ? '' : `  (${books.charged.join(', ')})`;
  return [
    ['charges in the gateway’s book', `${books.charges}${charged}`],
    ['orders charged twice', `${books.chargedTwice}`],
    ['transfers in the ledger', `${books.transfers}`],
    ...(sums.length === 0
      ? [['ledger sum', 'no transfer yet'] as const]
      : sums.map(([currency, sum]): Row => [`ledger sum, ${currency}`, sum])),
    ['notifications delivered', `${books.notificationsDelivered}`],
    ['log entries stored', `${books.logEntries}`],
  ];
}

const mostOfKind = 10;

/** The first of each kind, which is told by how a fault begins, and how many there are more: the table is above them. */
function shortened(faults: readonly string[]): readonly string[] {
  const kinds = Map.groupBy(faults, (fault) => fault.split(/[ :]/, 1)[0]);
  return [...kinds.values()].flatMap((kind) =>
    kind.length <= mostOfKind ? kind : [...kind.slice(0, mostOfKind), `… and ${kind.length - mostOfKind} more of that kind`],
  );
}

/** Under a heading of their own: nobody can say that these are wrong. */
function faultLines(faults: readonly string[]): readonly string[] {
  const { wrong = [], unchecked = [] } = Object.groupBy(faults, (fault) => (fault.startsWith('unchecked ') ? 'unchecked' : 'wrong'));
  const section = (heading: string, found: readonly string[]): readonly string[] =>
    found.length === 0 ? [] : [heading, ...shortened(found).map((fault) => `  ${fault}`)];
  return [
    ...section('The books are wrong', wrong),
    ...(wrong.length === 0 || unchecked.length === 0 ? [] : ['']),
    ...section('Nobody can say whether these accounts are right: run it again when less is booked', unchecked),
  ];
}

/** The same as tables for people. */
export function formatReport({ placed, books, faults }: Report): string {
  const tables: (readonly [title: string, rows: readonly Row[]])[] = [];
  if (placed !== undefined) tables.push(['This run', runRows(placed)]);
  if (books !== undefined) tables.push(['The books, of all orders so far', bookRows(books)]);
  const width = Math.max(...tables.flatMap(([, rows]) => rows.map(([name]) => name.length)));
  const lines = tables.flatMap(([title, rows]) => [title, ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`), '']);
  const errors = Object.entries(placed?.errors ?? {}).map(([error, count]) => `  ${count} × ${error}`);
  if (errors.length > 0) lines.push('Refused or not seen to the end', ...errors, '');
  if (faults.length > 0) lines.push(...faultLines(faults));
  else lines.push(books === undefined ? 'The books could not be read.' : 'The books are right.');
  return lines.join('\n');
}
