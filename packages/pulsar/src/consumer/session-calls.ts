import { setTimeout as delay } from 'node:timers/promises';
import { createBackoff } from '../connection/backoff.ts';
import type { Connection } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { Session } from './session.ts';

/** What a call needs to know. */
export interface CallOptions {
  readonly session: Session;
  readonly topic: string;
  /** How long it may take, waits for a session included, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Makes a request as soon as there is a session, and again if the connection goes meanwhile, as long as there is time. The
 * request is to end with the signal: the consumer is closed, and the call rejects with why.
 */
export async function callReady<R>(options: CallOptions, request: (connection: Connection, signal: AbortSignal) => Promise<R>): Promise<R> {
  const { session, topic, timeoutMs } = options;
  const deadline = performance.now() + timeoutMs;
  const backoff = createBackoff();
  for (;;) {
    await readyWithin(session, deadline - performance.now(), topic);
    const { connection } = session;
    try {
      if (connection !== undefined) return await request(connection, session.over);
    } catch (error) {
      if (session.over.aborted) throw session.over.reason;
      const passes = PulsarError.is(error) && error.retryable && error.code !== 'TIMEOUT';
      if (!passes || performance.now() >= deadline) throw error;
    }
    const delayMs = Math.min(backoff.next(), Math.max(0, deadline - performance.now()));
    await delay(delayMs, undefined, { signal: session.over }).catch(() => {
      throw session.over.reason;
    });
  }
}

/** Waits for a session. Rejects with `TIMEOUT` if there is none in time. */
export async function readyWithin(session: Session, timeoutMs: number, topic: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const expire = (): void => reject(new PulsarError('TIMEOUT', `no session on ${topic} within ${Math.round(timeoutMs)} ms`));
    timer = setTimeout(expire, Math.max(0, timeoutMs));
  });
  try {
    await Promise.race([session.whenReady(), late]);
  } finally {
    clearTimeout(timer);
  }
}
