import type { Kill } from './kills.ts';
import { deathPoints } from './points.ts';

/** An order as its client saw it. Times are of the monotonic clock, in milliseconds. */
export interface OrderSpan {
  /** When it was first asked for. */
  readonly startedMs: number;
  /** When its client knew how it ended. */
  readonly endedMs: number;
}

/** How long it took to recover from one kill, in milliseconds. */
export interface Recovery extends Kill {
  /** From the kill until the process that took its place was ready. */
  readonly untilReadyMs: number;
  /** For each order that was under way then: from the kill to its end. */
  readonly ordersMs: readonly number[];
}

/** Measures how orders fared that were under way when something was killed. */
export function recoveriesOf(kills: readonly Kill[], spans: readonly OrderSpan[]): readonly Recovery[] {
  return kills.map((kill) => {
    const ordersMs = spans
      .filter(({ startedMs, endedMs }) => startedMs <= kill.killedMs && kill.killedMs < endedMs)
      .map(({ endedMs }) => endedMs - kill.killedMs);
    return { ...kill, untilReadyMs: kill.readyMs - kill.killedMs, ordersMs };
  });
}

/** How long orders took, in milliseconds, during which nothing was killed and everything was ready. */
export function undisturbedMs(kills: readonly Kill[], spans: readonly OrderSpan[]): readonly number[] {
  const calm = ({ startedMs, endedMs }: OrderSpan): boolean =>
    !kills.some(({ killedMs, readyMs }) => startedMs < readyMs && killedMs < endedMs);
  return spans.filter(calm).map(({ startedMs, endedMs }) => endedMs - startedMs);
}

/** What a report of each kill says: times in milliseconds from the kill. */
export function recoveryLine({ victim, point, untilReadyMs, ordersMs }: Recovery): string {
  const orders = { orders: ordersMs.length, orderP50Ms: percentile(ordersMs, 0.5), lastOrderMs: percentile(ordersMs, 1) };
  return JSON.stringify({ victim, at: point?.step ?? 'any moment', readyMs: Math.round(untilReadyMs), ...orders });
}

/** The value that so large a share of the values does not exceed; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
}

const spread = (name: string, values: readonly number[]): Readonly<Record<string, number>> => ({
  [`${name} p50`]: percentile(values, 0.5),
  [`${name} p99`]: percentile(values, 0.99),
  [`${name} max`]: percentile(values, 1),
});

/** A row of the report. */
type Row = Readonly<Record<string, string | number>>;

function rowOf(died: string, recoveries: readonly Recovery[]): Row {
  if (recoveries.length === 0) return { died, kills: 0 };
  return {
    died,
    kills: recoveries.length,
    ...spread(
      'ready',
      recoveries.map(({ untilReadyMs }) => untilReadyMs),
    ),
    ...spread(
      'order',
      recoveries.flatMap(({ ordersMs }) => ordersMs),
    ),
    ...spread(
      'last order',
      recoveries.map(({ ordersMs }) => ordersMs.reduce((most, one) => Math.max(most, one), 0)),
    ),
  };
}

/**
 * Rows for all kills, for those at any moment and for those at each named point, in milliseconds from the kill: until the
 * process was ready again (`ready`), to the end of each order that was under way (`order`), and of the last of them (`last order`).
 */
export function recoveryRows(recoveries: readonly Recovery[]): readonly Row[] {
  const random = recoveries.filter(({ point }) => point === undefined);
  return [
    rowOf('all', recoveries),
    rowOf('at any moment', random),
    rowOf(
      'at a named point',
      recoveries.filter(({ point }) => point !== undefined),
    ),
    ...deathPoints.map((wanted) =>
      rowOf(
        `${wanted.service} ${wanted.step}`,
        recoveries.filter(({ point }) => point === wanted),
      ),
    ),
  ];
}
