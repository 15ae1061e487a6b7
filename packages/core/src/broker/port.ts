import type { PaystreamError } from '../errors/paystream-error.ts';

/**
 * A message to be published. Bytes in, bytes out: codecs and envelopes are a layer above.
 */
export interface OutgoingMessage {
  /** The content. Not copied: do not change it before the send has settled. */
  readonly payload: Uint8Array;
  /** Messages of one key keep their order and, on a key-shared subscription, go to one consumer at a time. */
  readonly key?: string | undefined;
  /** Names and values that travel with the message. */
  readonly properties?: Readonly<Record<string, string>> | undefined;
  /** When the event happened, in milliseconds since the epoch. */
  readonly eventTimeMs?: number | undefined;
  /** Not before this moment, in milliseconds since the epoch. Shared and key-shared subscriptions only; others deliver at once. */
  readonly deliverAtMs?: number | undefined;
}

/** Where a message stands in its topic. Opaque: keep it, hand it back to `seek` or `createReader`; its form is the adapter's. */
export type MessageId = string;

/** A message that was received. */
export interface IncomingMessage {
  /** Where it stands in its topic. */
  readonly id: MessageId;
  /** The topic that it was published to. */
  readonly topic: string;
  /** The content. May share memory with other messages: copy what you keep for long. */
  readonly payload: Uint8Array;
  /** What the sender gave; `undefined` if nothing. */
  readonly key: string | undefined;
  /** What the sender gave; empty if nothing. */
  readonly properties: Readonly<Record<string, string>>;
  /** When the event happened, in milliseconds since the epoch; `undefined` if the sender did not say. */
  readonly eventTimeMs: number | undefined;
  /** When the broker took it, in milliseconds since the epoch. */
  readonly publishTimeMs: number;
  /** How many times it was delivered before on this subscription, as far as the broker knows. */
  readonly redeliveryCount: number;
}

/** Where to begin: the first message kept, after the last one, a message (inclusive), or a publish time. */
export type Position = 'earliest' | 'latest' | { readonly messageId: MessageId } | { readonly timeMs: number };

/**
 * How the consumers of one subscription share its messages.
 * - `exclusive`: one consumer; a second `subscribe` is refused.
 * - `failover`: one at a time; when it goes the next one takes over.
 * - `shared`: each message to any one consumer; no order.
 * - `key-shared`: each key to one consumer at a time, in order.
 */
export type SubscriptionType = 'exclusive' | 'failover' | 'shared' | 'key-shared';

/** Options of a producer. */
export interface BrokerProducerOptions {
  /** The topic. Comes into being if it does not exist. */
  readonly topic: string;
  /**
   * A durable subscription that the topic has before anything is published: created at the first message kept if there is none of
   * this name, otherwise left as it is. So what is published is kept until somebody has read it there; without any subscription a
   * broker may throw it away, and the topic too. Default: none.
   */
  readonly initialSubscription?: string | undefined;
}

/** Publishes to one topic. */
export interface BrokerProducer {
  /** Where it publishes to. */
  readonly topic: string;
  /**
   * Publishes one message. Resolves with its id when the broker has stored it durably; rejects with `UNAVAILABLE` if that
   * is not known. Sends are stored in the order of the calls. Need not be awaited before the next.
   */
  send(message: OutgoingMessage): Promise<MessageId>;
  /** Publishes several at once, in order: all are stored, or the promise rejects and any number of them may be. */
  sendAll(messages: readonly OutgoingMessage[]): Promise<void>;
  /** Resolves when every send so far has settled. */
  flush(): Promise<void>;
  /** Flushes, then closes. Safe to call again. Later sends reject with `FAILED_PRECONDITION`. */
  close(): Promise<void>;
}

/** Options of a subscription. */
export interface SubscribeOptions {
  /** The topic. Comes into being if it does not exist. */
  readonly topic: string;
  /** The durable cursor's name. The cursor outlives the consumer; see {@link BrokerSubscription.unsubscribe}. */
  readonly subscription: string;
  /** Default: `exclusive`. */
  readonly type?: SubscriptionType;
  /** Where a cursor that does not exist yet begins. Default: `latest`. */
  readonly initialPosition?: 'earliest' | 'latest';
  /** At most so many messages delivered and not yet acknowledged to this consumer. Default: 1,000. */
  readonly maxUnacknowledged?: number;
  /**
   * A message delivered more than `maxRedeliveries` times goes to `topic` instead, bytes and properties untouched; it is kept there
   * for the durable subscription `subscription` (default: `dead-letters`; `false`: for none but those that the topic has). Default: none.
   */
  readonly deadLetter?: { readonly topic: string; readonly maxRedeliveries: number; readonly subscription?: string | false };
  /**
   * Told when nothing can be received any more, and why: the broker has been out of reach for some seconds, or does not take this
   * consumer back. Told `undefined` when it is joined again, which it sees to by itself as long as it is open. Not told where a part
   * of the topic is away and others go on, as far as the adapter knows. Default: nobody.
   */
  readonly onOutage?: ((error: PaystreamError | undefined) => void) | undefined;
}

/** Receives from one topic through a durable cursor. */
export interface BrokerSubscription {
  /** The topic that it receives from. */
  readonly topic: string;
  /** The cursor’s name. */
  readonly subscription: string;
  /**
   * Waits until there is at least one message, then returns those that are there, at most `max`, in order. Several calls
   * may wait at once. Rejects with the signal's reason if it is aborted (nothing is lost by it), and with `CANCELED` once closed.
   * With anything else, what the broker refuses for instance, it fails for now: it may be called again, and works when it can.
   */
  receive(max: number, signal?: AbortSignal): Promise<readonly IncomingMessage[]>;
  /**
   * Marks messages as done, durably once it resolves: they are not delivered again, unless by a seek. Idempotent. Without the
   * ability `acknowledgementReceipts` it resolves when that is on its way.
   */
  acknowledge(messages: readonly IncomingMessage[]): Promise<void>;
  /** Gives messages back: delivered again after `delayMs`, with a redelivery count one higher. Idempotent; ignored after an acknowledgement. */
  negativeAcknowledge(messages: readonly IncomingMessage[], delayMs: number): void;
  /** Moves the cursor. What was received before counts as not received; acknowledging it afterwards does nothing. */
  seek(position: Position): Promise<void>;
  /** How many messages are not acknowledged yet, delivered or not. Rejects with `UNSUPPORTED` without the ability `backlog`. */
  backlog(): Promise<number>;
  /** Closes this consumer. What it received and did not acknowledge goes to the others, or to the next. The cursor stays. */
  close(): Promise<void>;
  /** Closes, and removes the cursor: what was not acknowledged is lost to this subscription. */
  unsubscribe(): Promise<void>;
}

/** Options of a reader. */
export interface ReaderOptions {
  /** The topic. Comes into being if it does not exist. */
  readonly topic: string;
  /** Where to begin. Default: `latest`. */
  readonly start?: Position;
}

/** Reads one topic without a durable cursor: every reader gets every message. */
export interface BrokerReader {
  /** The topic that it reads. */
  readonly topic: string;
  /**
   * As {@link BrokerSubscription.receive}; but a reader that the broker refuses, since its topic is gone for instance, fails from then
   * on. Close it and open another one, where you want to go on: only who reads knows.
   */
  receive(max: number, signal?: AbortSignal): Promise<readonly IncomingMessage[]>;
  /** How often this reader may have missed messages (a reconnect, a backlog that was cut): whoever must not miss any re-reads its source when it grows. */
  readonly gaps: number;
  /** Closes it; who waits gets `CANCELED`. Safe to call again. */
  close(): Promise<void>;
}

/** What an adapter can do beyond the least. Asking for what it cannot do throws `UNSUPPORTED` at construction. */
export interface BrokerCapabilities {
  /** `deliverAtMs` is honoured. */
  readonly delayedDelivery: boolean;
  /** `seek` to a publish time. */
  readonly seekByTime: boolean;
  /** `SubscribeOptions.deadLetter` is honoured. */
  readonly deadLetter: boolean;
  /** `BrokerSubscription.backlog` answers. */
  readonly backlog: boolean;
  /** `acknowledge` resolves when the broker has stored it; without, what was under way when a connection or a process was lost comes again. */
  readonly acknowledgementReceipts: boolean;
  /** Messages survive the end of the process. */
  readonly durable: boolean;
}

/**
 * A message broker: topics with durable subscriptions. Delivery is at least once; the order of messages of one key is the
 * order in which one producer sent them. Topics come into being when first used.
 *
 * Who creates a broker closes it; closing it closes what was made from it.
 */
export interface Broker {
  /** For messages to people: `embedded`, `pulsar`. */
  readonly name: string;
  /** What it can do beyond the least. */
  readonly capabilities: BrokerCapabilities;
  /** Opens a producer; the topic comes into being if it does not exist. Rejects with `UNAVAILABLE` if the broker cannot be reached. */
  createProducer(options: BrokerProducerOptions): Promise<BrokerProducer>;
  /** Joins or creates a subscription. Rejects with `FAILED_PRECONDITION` / `SUBSCRIPTION_BUSY` if it is exclusive and taken, or of another type. */
  subscribe(options: SubscribeOptions): Promise<BrokerSubscription>;
  /** Opens a reader; the topic comes into being if it does not exist. */
  createReader(options: ReaderOptions): Promise<BrokerReader>;
  /** Rejects if the broker cannot be reached or cannot store, saying why. For health checks. */
  ping(): Promise<void>;
  /** Closes every producer, subscription and reader, then the connection. Safe to call again. */
  close(): Promise<void>;
}
