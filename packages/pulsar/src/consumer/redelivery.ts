import type { Connection } from '../connection/port.ts';
import type { ChunkPosition } from '../message/entry.ts';
import { encodeRedeliver, encodeRedeliverAll, type WirePosition } from '../wire/commands.ts';
import { DueEntries } from './due-entries.ts';
import type { ConsumerSettings } from './options.ts';

/** How many entries one command names at most. */
const PIECE = 1000;

/** What may be delivered again: an entry, or a message in chunks. */
export interface Redeliverable {
  readonly ledgerId: bigint;
  readonly entryId: bigint;
  readonly redeliveryCount: number;
  readonly chunks?: readonly ChunkPosition[] | undefined;
}

/** What redelivery asks of its consumer. */
export interface RedeliveryHooks {
  connection(): Connection | undefined;
  /** Whether the entry is acknowledged meanwhile. */
  isAcknowledged(entry: Redeliverable): boolean;
  /** Takes what is queued of these entries, by key, or all, out of the queue. Returns how many permits that gives back. */
  removeQueued(keys?: ReadonlySet<string>): number;
  giveBack(permits: number): void;
  /** Sends the acknowledgements that are collected: what they name is not to come again. */
  flush(): void;
  /** Has the broker begin again at the first message that is not acknowledged, where it cannot deliver single ones again. */
  rewind(): void;
  /** Takes over an entry that was delivered too often. Returns whether it did. */
  divert(entry: Redeliverable): boolean;
}

/** Options of {@link Redelivery}. */
export interface RedeliveryOptions {
  readonly consumerId: number;
  readonly settings: ConsumerSettings;
  readonly hooks: RedeliveryHooks;
}

/** The name of an entry in tables. */
export function keyOf(entry: { readonly ledgerId: bigint; readonly entryId: bigint }): string {
  return `${entry.ledgerId}:${entry.entryId}`;
}

/** Asks the broker for messages again: those given back, those whose time to be acknowledged is up, and on demand all. */
export class Redelivery {
  readonly #options: RedeliveryOptions;
  /** Whether the broker delivers again only everything at once. */
  readonly #whole: boolean;
  readonly #negative: DueEntries<Redeliverable>;
  readonly #unacknowledged: DueEntries<Redeliverable> | undefined;

  constructor(options: RedeliveryOptions) {
    const { settings } = options;
    this.#options = options;
    this.#whole = settings.type === 'exclusive' || settings.type === 'failover';
    this.#negative = new DueEntries((entries) => this.some(entries));
    if (settings.ackTimeoutMs > 0) this.#unacknowledged = new DueEntries((entries) => this.some(entries));
  }

  /** A message of the entry is in the hands of the application: its time begins. */
  handedOut(entry: Redeliverable): void {
    this.#unacknowledged?.add(keyOf(entry), entry, this.#options.settings.ackTimeoutMs);
  }

  /** Every message of the entry is acknowledged. */
  acknowledged(entry: Redeliverable): void {
    if (this.#unacknowledged !== undefined && this.#unacknowledged.size > 0) this.#unacknowledged.delete(keyOf(entry));
  }

  /** Gives an entry back. */
  negative(entry: Redeliverable, delayMs: number = this.#delayOf(entry)): void {
    const key = keyOf(entry);
    this.#unacknowledged?.delete(key);
    this.#negative.add(key, entry, delayMs);
  }

  #delayOf(entry: Redeliverable): number {
    const { negativeAckBackoff, negativeAckDelayMs } = this.#options.settings;
    if (negativeAckBackoff === undefined) return negativeAckDelayMs;
    const { minMs, maxMs, multiplier } = negativeAckBackoff;
    return Math.min(maxMs, minMs * multiplier ** entry.redeliveryCount);
  }

  /** Asks for some entries again, or for everything where the broker cannot do it one by one. */
  some(entries: readonly Redeliverable[]): void {
    const { hooks, consumerId } = this.#options;
    const wanted = entries.filter((entry) => !hooks.isAcknowledged(entry) && !hooks.divert(entry));
    const connection = hooks.connection();
    // Without a connection there is nothing to ask for: the next session gets everything again.
    if (wanted.length === 0 || connection === undefined) return;
    if (this.#whole) {
      this.all();
      return;
    }
    hooks.flush();
    const permits = hooks.removeQueued(new Set(wanted.map(keyOf)));
    const positions = wanted.flatMap((entry): readonly WirePosition[] => entry.chunks ?? [positionOf(entry)]);
    for (let at = 0; at < positions.length; at += PIECE) {
      connection.write(encodeRedeliver(consumerId, positions.slice(at, at + PIECE)));
    }
    if (permits > 0) hooks.giveBack(permits);
  }

  /** Asks for everything again that is not acknowledged. */
  all(): void {
    const { hooks, consumerId } = this.#options;
    this.clear();
    const connection = hooks.connection();
    // Without a connection there is nothing to ask for: the next session gets everything again.
    if (connection === undefined) return;
    hooks.flush();
    const permits = hooks.removeQueued();
    if (this.#whole) hooks.rewind();
    else connection.write(encodeRedeliverAll(consumerId));
    if (permits > 0) hooks.giveBack(permits);
  }

  /** Forgets what it was to ask for: everything comes again, or the consumer ends. */
  clear(): void {
    this.#negative.clear();
    this.#unacknowledged?.clear();
  }
}

function positionOf({ ledgerId, entryId }: Redeliverable): WirePosition {
  return { ledgerId, entryId };
}
