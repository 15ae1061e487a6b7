import { channel } from 'node:diagnostics_channel';
import type { PulsarError } from '../errors/pulsar-error.ts';

/** What happened to a connection. */
export interface ConnectionEvent {
  readonly scope: 'connection';
  /**
   * - `connecting`: an attempt begins.
   * - `connected`: the broker has taken the client.
   * - `failed`: an attempt has failed; `error` says why.
   * - `closed`: it was open and is not any more; `error` says why.
   * - `credentials-refreshed`: the broker asked for fresh credentials and they were sent.
   * - `unknown-command`: the broker sent a command that this client does not know, and which it ignores.
   */
  readonly type: 'connecting' | 'connected' | 'failed' | 'closed' | 'credentials-refreshed' | 'unknown-command';
  /** `host:port` of the broker as the cluster knows it. */
  readonly broker: string;
  /** `host:port` that is connected to: the broker itself or a proxy. */
  readonly address: string;
  /** As the broker calls itself, of `connected`. */
  readonly serverVersion?: string;
  /** The number of an unknown command. */
  readonly command?: number;
  readonly error?: PulsarError;
}

/** What happened to a look-up. */
export interface LookupEvent {
  readonly scope: 'lookup';
  /** `retry`: it failed and is tried again after `delayMs`. */
  readonly type: 'retry';
  /** What was asked: `LOOKUP`. */
  readonly command: string;
  /** The topic or namespace. */
  readonly name: string;
  readonly delayMs: number;
  readonly error: PulsarError;
}

/** What the client tells about itself. Each is published on the diagnostics channel `paystream:pulsar:<scope>` too. */
export type PulsarEvent = ConnectionEvent | LookupEvent;

/** Tells an event to whoever listens. Never throws. */
export type EmitEvent = (event: PulsarEvent) => void;

const channels = {
  connection: channel('paystream:pulsar:connection'),
  lookup: channel('paystream:pulsar:lookup'),
} as const satisfies Record<PulsarEvent['scope'], unknown>;

/** Publishes events on the diagnostics channels, and calls `onEvent` in a turn of its own. */
export function createEventEmitter(onEvent?: (event: PulsarEvent) => void): EmitEvent {
  return (event) => {
    const target = channels[event.scope];
    // Subscribers' errors are reported by the channel as uncaught ones, in a later turn.
    if (target.hasSubscribers) target.publish(event);
    if (onEvent !== undefined) queueMicrotask(() => onEvent(event));
  };
}
