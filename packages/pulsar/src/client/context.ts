import type { ConnectionPool } from '../connection/port.ts';
import type { EmitEvent } from '../events/events.ts';
import type { Lookup } from '../lookup/port.ts';

/** What producers, consumers and readers of one client share. */
export interface ClientContext {
  readonly pool: ConnectionPool;
  readonly lookup: Lookup;
  /** Whether brokers are spoken to by TLS. */
  readonly tls: boolean;
  /** In milliseconds. */
  readonly operationTimeoutMs: number;
  /** Backoff of reconnects, in milliseconds. */
  readonly backoff: { readonly initialMs: number; readonly maxMs: number };
  /** Bytes that all producers hold and consumers have queued. */
  readonly memory: MemoryBudget;
  readonly transactionsEnabled: boolean;
  /** Tells what happens to whoever listens; add further events to `PulsarEvent`. */
  readonly emit: EmitEvent;
  nextProducerId(): number;
  nextConsumerId(): number;
  /** Called back when the client closes; returns how to take that back. */
  onClose(close: () => Promise<void>): () => void;
}

/** A limit on memory that several share. */
export interface MemoryBudget {
  readonly limitBytes: number;
  readonly usedBytes: number;
  /** Takes so many bytes if they are free. */
  tryTake(bytes: number): boolean;
  /** Takes so many bytes whatever is free: for what has come already. */
  take(bytes: number): void;
  /** Gives bytes back, and wakes who waits. */
  give(bytes: number): void;
  /** Resolves once so many bytes are taken; rejects with the signal's reason. */
  wait(bytes: number, signal?: AbortSignal): Promise<void>;
}
