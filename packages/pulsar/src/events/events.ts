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
  /** `host:port` that is connected to: the broker itself or a proxy of Pulsar's; one that goes by the name in TLS does not count. */
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

/** What happened to the producer of a topic or partition. */
export interface ProducerEvent {
  readonly scope: 'producer';
  /**
   * - `ready`: the broker has taken it, for the first time or again.
   * - `disconnected`: it was lost, and comes back by itself; `error` says why.
   * - `retry`: an attempt to come back has failed and is made again after `delayMs`; `error` says why.
   * - `timeout`: everything pending was rejected, since the broker did not confirm the oldest message in time.
   * - `failed`: it is over; `error` says why.
   * - `closed`: the application closed it.
   */
  readonly type: 'ready' | 'disconnected' | 'retry' | 'timeout' | 'failed' | 'closed';
  /** The full name, with that of the partition. */
  readonly topic: string;
  /** Of the producer; empty before the broker has chosen one. */
  readonly name: string;
  readonly delayMs?: number;
  readonly error?: PulsarError;
}

/** What happened to the consumer of a topic or partition, that of a reader too. */
export interface ConsumerEvent {
  readonly scope: 'consumer';
  /**
   * - `ready`: the broker has subscribed it, for the first time or again.
   * - `disconnected`: it was lost, and comes back by itself; `error` says why.
   * - `retry`: an attempt to subscribe has failed and is made again after `delayMs`; `error` says why.
   * - `seek`: its cursor was moved.
   * - `failed`: it is over; `error` says why.
   * - `closed`: the application closed it.
   */
  readonly type: 'ready' | 'disconnected' | 'retry' | 'seek' | 'failed' | 'closed';
  /** The full name, with that of the partition. */
  readonly topic: string;
  readonly subscription: string;
  /** Of the consumer. */
  readonly name: string;
  /** In milliseconds. */
  readonly delayMs?: number;
  readonly error?: PulsarError;
}

/** What the client tells about itself. Each is published on the diagnostics channel `paystream:pulsar:<scope>` too. */
export type PulsarEvent = ConnectionEvent | LookupEvent | ProducerEvent | ConsumerEvent;

/** Tells an event to whoever listens. Never throws. */
export type EmitEvent = (event: PulsarEvent) => void;

const channels = {
  connection: channel('paystream:pulsar:connection'),
  lookup: channel('paystream:pulsar:lookup'),
  producer: channel('paystream:pulsar:producer'),
  consumer: channel('paystream:pulsar:consumer'),
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
