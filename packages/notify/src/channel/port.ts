/** A rendered message on its way to one person. */
export interface ChannelMessage {
  /** The same for each try of the same message: what an idempotent channel dedupes by. */
  readonly deliveryId: string;
  /** The event that it tells of. */
  readonly eventId: string;
  /** Where it goes, in the channel's own terms: an email address, a telephone number. Comes from the caller's contacts, not from the packages. */
  readonly recipient: string;
  /** One line without control characters; only for channels that have subjects. */
  readonly subject?: string | undefined;
  readonly text: string;
  readonly html?: string | undefined;
  /** The order that it is about; empty if none. */
  readonly orderId: string;
  /** The merchant that it is about; empty if none. */
  readonly merchantId: string;
}

/** How a delivery ended, where that is known. */
export type DeliveryOutcome =
  /** The channel has taken the message. `detail` is what it said, for a person to read. */
  | { readonly outcome: 'delivered'; readonly detail?: string | undefined }
  /** The channel will never take it: no such address, refused content. It is not tried again. */
  | { readonly outcome: 'rejected'; readonly reason: string };

/** What a channel can do. */
export interface ChannelCapabilities {
  /**
   * A message with a delivery id that was taken before is not sent a second time. Whatever is unknown may then simply be tried again.
   *
   * `alone`: so it is with what this channel took itself, such as the lines of its own file. Where another process may go on with a
   * delivery, through a channel with a memory of its own, it counts as not idempotent: wherever the database is not exclusive.
   */
  readonly idempotent: boolean | 'alone';
  /** `deliverAll` sends several at once for less than as many calls of `deliver`. Default: false. */
  readonly batch?: boolean;
}

/** What a delivery is called with. */
export interface DeliveryContext {
  /** Aborted when its time is up. What was not certain by then counts as unknown. */
  readonly signal: AbortSignal;
}

/**
 * A way to reach people: email, telephone, a file.
 *
 * `deliver` and `deliverAll` may be called again before an earlier call has settled. What they throw says what became of
 * the message:
 * - a `PaystreamError` with `UNAVAILABLE`: not sent, and nothing else could be sent now. The channel pauses; no try is used up.
 * - one with `ABORTED` or `RESOURCE_EXHAUSTED`: not sent, others might be. Tried again later; uses up a try.
 * - anything else, a time-out above all: **unknown**. An idempotent channel is tried again; for others the template decides.
 *
 * Who creates a channel closes it.
 */
export interface Channel {
  /** For messages to people; the name under which a notifier knows it is the key in its `channels`. */
  readonly name: string;
  readonly capabilities: ChannelCapabilities;
  /** Gets ready to deliver. Rejects if it is set up wrongly. Called once before the first delivery; others than the notifier may leave it out. Safe to call again. */
  open?(): Promise<void>;
  /** Sends one message. */
  deliver(message: ChannelMessage, context: DeliveryContext): Promise<DeliveryOutcome>;
  /** Sends several; one outcome for each, in their order. Needed with `capabilities.batch`. Throwing says the same of all of them. */
  deliverAll?(messages: readonly ChannelMessage[], context: DeliveryContext): Promise<readonly DeliveryOutcome[]>;
  /** Rejects if it cannot deliver now, saying why. */
  check?(): Promise<void>;
  /** Waits for deliveries under way. Safe to call again. */
  close?(): Promise<void>;
}
