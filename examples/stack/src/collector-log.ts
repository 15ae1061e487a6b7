import type { DiagLogger } from '@opentelemetry/api';
import type { Clock, Logger } from '@paystream/core';

/** Options of {@link collectorLog}. */
export interface CollectorLogOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Where the collector is, as it may be shown. */
  readonly endpoint: string;
}

/** It is said again with each export while a collector is away. */
const quietMs = 60_000;
/** Each kind of fault is remembered; there are no more than a dozen. */
const maxKinds = 100;

/** An error as OpenTelemetry hands it over: JSON of all its properties. That is how it tells of an export that failed. */
function failedExport(part: unknown): string | undefined {
  if (typeof part !== 'string' || !part.startsWith('{')) return undefined;
  try {
    const { stack, message, name, code } = JSON.parse(part) as Readonly<Record<string, string | undefined>>;
    return stack === undefined ? undefined : (message ?? [name, code].filter(Boolean).join(' '));
  } catch {
    return undefined;
  }
}

function wordsOf(part: unknown): string {
  if (part instanceof Error) return part.message;
  return typeof part === 'string' ? part : '';
}

/** Writes what OpenTelemetry says of itself into our log: at once, and once a minute while the same goes on. */
export function collectorLog({ logger, clock, endpoint }: CollectorLogOptions): DiagLogger {
  const kinds = new Map<string, { untilMs: number; repeated: number }>();

  const tell = (...parts: readonly unknown[]): void => {
    const failed = failedExport(parts[0]);
    const reason = failed ?? parts.map(wordsOf).filter(Boolean).join(' ');
    // Traces and metrics fail for the same cause, in other words; numbers make no other fault of what is dropped.
    const kind = failed === undefined ? reason.replace(/\d+/g, '#') : 'export';
    const known = kinds.get(kind);
    const nowMs = clock.monotonic();
    if (known !== undefined && nowMs < known.untilMs) {
      known.repeated += 1;
      return;
    }
    if (known === undefined && kinds.size === maxKinds) kinds.clear();
    kinds.set(kind, { untilMs: nowMs + quietMs, repeated: 0 });
    logger.warn({ endpoint, reason, repeated: known?.repeated ?? 0 }, 'traces or metrics do not reach the collector');
  };
  const nothing = (): void => undefined;
  return { error: tell, warn: tell, info: nothing, debug: nothing, verbose: nothing };
}
