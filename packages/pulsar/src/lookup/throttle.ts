import type { Connection, ServicePool } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';

/** After so many refusals within this time a broker is avoided. */
const MAX_REFUSALS = 50;
const REFUSAL_WINDOW_MS = 60_000;

/** Bounds how many look-ups run at once, and watches how brokers bear them. */
export interface Throttle {
  /** Runs `work` when it is its turn. Rejects with `UNAVAILABLE` if too many wait already. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Draws the consequences of a failed look-up for the connection that it came over. */
  noteFailure(connection: Connection, error: unknown): void;
}

/** At most `maxRunning` at once and `maxWaiting` waiting. */
export function createThrottle(avoid: ServicePool['avoid'], maxRunning = 5_000, maxWaiting = 50_000): Throttle {
  const waiting: (() => void)[] = [];
  const refusals = new WeakMap<Connection, number[]>();
  let running = 0;

  async function run<T>(work: () => Promise<T>): Promise<T> {
    if (running >= maxRunning) {
      if (waiting.length >= maxWaiting) {
        throw new PulsarError('UNAVAILABLE', `${maxWaiting} look-ups wait already`, { serverError: 'TooManyRequests' });
      }
      // Whoever ends hands its place over: `running` stays.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  }

  function noteFailure(connection: Connection, error: unknown): void {
    if (!PulsarError.is(error) || connection.closed) return;
    if (error.serverError === 'ServiceNotReady') {
      // Another broker behind the same address may be ready.
      avoid(connection, new PulsarError('NOT_CONNECTED', `${connection.broker} is not ready for look-ups`, { cause: error }));
      return;
    }
    if (error.serverError !== 'TooManyRequests' && error.code !== 'TIMEOUT') return;
    const now = performance.now();
    const recent = (refusals.get(connection) ?? []).filter((at) => at > now - REFUSAL_WINDOW_MS);
    recent.push(now);
    refusals.set(connection, recent);
    if (recent.length > MAX_REFUSALS) {
      refusals.delete(connection);
      avoid(connection, new PulsarError('NOT_CONNECTED', `${connection.broker} refuses too many look-ups`, { cause: error }));
    }
  }

  return { run, noteFailure };
}
