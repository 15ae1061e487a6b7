import type { IncomingMessage, Position, SubscribeOptions, SubscriptionType } from '../../broker/port.ts';
import type { Clock, ClockTimer } from '../../clock/port.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import type { Cursor } from './cursor.ts';
import { Delivered } from './delivered.ts';
import type { Dispatcher, Source } from './dispatch.ts';
import { createKeyedDispatcher } from './dispatch-keyed.ts';
import { createPlainDispatcher } from './dispatch-plain.ts';
import type { StoredMessage } from './entry.ts';
import { LogView, type TopicLog, toSequence } from './topic-log.ts';
import { WaitList } from './wait-list.ts';

/** Where dead letters go. */
export type DeadLetterPlace = Pick<NonNullable<SubscribeOptions['deadLetter']>, 'topic' | 'subscription'>;

/** One consumer of a subscription. */
export interface Member {
  readonly maxUnacknowledged: number;
  readonly deadLetter: SubscribeOptions['deadLetter'];
  /** How many messages it has in hand. */
  inHand: number;
}

/** What a subscription needs of the engine. */
export interface SubscriptionHost {
  readonly clock: Clock;
  /** The cursor changed: it is to be stored with the next commit. */
  changed(subscription: Subscription): void;
  /** Publishes to the dead-letter topic; resolves when it is stored. */
  deadLetter(to: DeadLetterPlace, message: StoredMessage): Promise<unknown>;
  /** Calls back after others had their turn. */
  later(callback: () => void): void;
}

type Delivery = Delivered<Member>;

const moveAgainMs = 1_000;

/** A durable cursor and those who consume through it. */
export class Subscription {
  readonly log: TopicLog;
  readonly name: string;
  readonly cursor: Cursor;
  type: SubscriptionType = 'exclusive';
  readonly #host: SubscriptionHost;
  readonly #waiting = new WaitList<Member>();
  readonly #inHand = new Map<number, Delivery>();
  readonly #redeliveries = new Map<number, number>();
  readonly #source: Source<Member, Delivery>;
  #members: Member[] = [];
  #dispatcher: Dispatcher<Member, Delivery>;
  /** How often it began anew: deliveries of an earlier epoch mean nothing any more. */
  #epoch = 0;
  #timer: { readonly dueMs: number; readonly timer: ClockTimer } | undefined;

  constructor(host: SubscriptionHost, log: TopicLog, name: string, cursor: Cursor) {
    this.#host = host;
    this.log = log;
    this.name = name;
    this.cursor = cursor;
    const forward = new LogView(log);
    const back = new LogView(log);
    this.#source = {
      tail: () => log.tail,
      first: () => log.first,
      now: () => host.clock.now(),
      acknowledged: (sequence) => cursor.has(sequence),
      message: (sequence) => forward.at(sequence),
      earlier: (sequence) => back.at(sequence),
      deliver: (member, message) => this.#deliver(member, message),
    };
    this.#dispatcher = this.#newDispatcher();
  }

  get memberCount(): number {
    return this.#members.length;
  }

  join(member: Member, type: SubscriptionType): void {
    if (this.#members.length === 0) {
      // What was set aside for one way of sharing means nothing to another.
      if (type !== this.type) this.#rewind(type);
    } else if (type !== this.type || type === 'exclusive') {
      const why = type === this.type ? 'is exclusive and has a consumer' : `is in use as ${this.type}, not as ${type}`;
      throw new PaystreamError('FAILED_PRECONDITION', `subscription "${this.name}" of topic "${this.log.name}" ${why}`, {
        reason: 'SUBSCRIPTION_BUSY',
        details: { topic: this.log.name, subscription: this.name },
      });
    }
    this.#members.push(member);
  }

  /** Takes a consumer out; what it had goes to the others. */
  leave(member: Member, reason: unknown): void {
    this.#members = this.#members.filter((other) => other !== member);
    const now = this.#host.clock.now();
    for (const delivery of [...this.#inHand.values()]) if (delivery.consumer === member) this.#giveBack(delivery, now);
    this.#dispatcher.left(member);
    this.#waiting.reject(member, reason);
    this.pump();
  }

  receive(member: Member, max: number, signal: AbortSignal | undefined): Promise<readonly IncomingMessage[]> {
    const messages = this.#mayTake(member) ? this.#take(member, max) : [];
    if (messages.length > 0) return Promise.resolve(messages);
    const received = this.#waiting.wait(member, max, signal);
    // Looking for messages of its own may have found some that another waits for.
    if (this.#waiting.size > 1) this.pump();
    else this.#armTimer();
    return received;
  }

  acknowledge(messages: readonly IncomingMessage[]): void {
    let changed = false;
    for (const message of messages) {
      this.#checkTopic(message);
      const epoch = Delivered.epochOf(message);
      if (epoch !== undefined && epoch !== this.#epoch) continue;
      const sequence = toSequence(message.id);
      if (sequence >= this.log.tail || !this.cursor.acknowledge(sequence)) continue;
      changed = true;
      if (this.#redeliveries.size > 0) this.#redeliveries.delete(sequence);
      const delivery = this.#inHand.get(sequence);
      if (delivery === undefined) this.#dispatcher.withdrawn(sequence);
      else {
        this.#inHand.delete(sequence);
        delivery.consumer.inHand -= 1;
        this.#dispatcher.settled(delivery.key);
      }
    }
    if (!changed) return;
    this.#host.changed(this);
    if (this.#waiting.size > 0) this.pump();
  }

  negativeAcknowledge(member: Member, messages: readonly IncomingMessage[], delayMs: number): void {
    const dueMs = this.#host.clock.now() + Math.max(0, delayMs);
    for (const message of messages) {
      this.#checkTopic(message);
      const delivery = this.#inHand.get(toSequence(message.id));
      const epoch = Delivered.epochOf(message);
      const current = delivery?.consumer === member && delivery.redeliveryCount === message.redeliveryCount;
      if (delivery !== undefined && current && (epoch === undefined || epoch === this.#epoch)) this.#giveBack(delivery, dueMs);
    }
    this.pump();
  }

  seek(position: Position): void {
    const sequence = this.log.resolve(position);
    this.cursor.moveTo(sequence);
    this.#redeliveries.clear();
    this.#rewind(this.type);
    this.#host.changed(this);
    this.pump();
  }

  /** How many messages are not acknowledged. */
  get backlog(): number {
    return this.cursor.backlog(this.log.tail);
  }

  /** Serves those who wait with what there is. */
  pump(): void {
    if (this.#waiting.size === 0) return;
    let stopped = false;
    let served = true;
    while (served && this.#waiting.size > 0) {
      const eligible = this.#waiting.count((member) => this.#mayTake(member));
      // So that one that asks for much does not leave the others without.
      const share = eligible <= 1 ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil(this.#dispatcher.ready() / eligible));
      served = this.#waiting.serve((waiter) => {
        if (!this.#mayTake(waiter.consumer)) return [];
        return this.#take(waiter.consumer, Math.min(waiter.max, share), () => {
          stopped = true;
        });
      });
    }
    if (stopped && this.#waiting.size > 0) this.#host.later(() => this.pump());
    this.#armTimer();
  }

  /** Ends it for good. */
  close(): void {
    this.#timer?.timer.cancel();
    this.#timer = undefined;
  }

  #mayTake(member: Member): boolean {
    return member.inHand < member.maxUnacknowledged && (this.type !== 'failover' || this.#members[0] === member);
  }

  #take(member: Member, max: number, stopped?: () => void): Delivery[] {
    const out: Delivery[] = [];
    let complete = true;
    try {
      complete = this.#dispatcher.take(member, Math.min(max, member.maxUnacknowledged - member.inHand), out);
    } catch (error) {
      // What could be read is handed out; who asks next is told.
      if (out.length === 0) throw error;
    }
    if (!complete) {
      if (stopped === undefined) this.#host.later(() => this.pump());
      else stopped();
    }
    return out;
  }

  #deliver(member: Member, message: StoredMessage): Delivery | undefined {
    const count = this.#redeliveries.size === 0 ? 0 : (this.#redeliveries.get(message.sequence) ?? 0);
    if (member.deadLetter !== undefined && count > member.deadLetter.maxRedeliveries) {
      this.#moveAway(member.deadLetter, message);
      return undefined;
    }
    const delivery: Delivery = new Delivered(message, this.log.name, count, member, this.#epoch);
    this.#inHand.set(message.sequence, delivery);
    member.inHand += 1;
    return delivery;
  }

  #moveAway(to: DeadLetterPlace, message: StoredMessage): void {
    const epoch = this.#epoch;
    this.#host.deadLetter(to, message).then(
      () => {
        if (epoch !== this.#epoch || !this.cursor.acknowledge(message.sequence)) return;
        this.#redeliveries.delete(message.sequence);
        this.#host.changed(this);
      },
      // The engine has reported it. It was not stored there, so it is still ours.
      () => {
        if (epoch !== this.#epoch) return;
        this.#dispatcher.returned(message.sequence, undefined, this.#host.clock.now() + moveAgainMs);
        this.#armTimer();
      },
    );
  }

  #giveBack(delivery: Delivery, dueMs: number): void {
    const sequence = toSequence(delivery.id);
    this.#inHand.delete(sequence);
    delivery.consumer.inHand -= 1;
    this.#redeliveries.set(sequence, delivery.redeliveryCount + 1);
    this.#dispatcher.returned(sequence, delivery.key, dueMs);
  }

  #rewind(type: SubscriptionType): void {
    this.type = type;
    this.#epoch += 1;
    for (const delivery of this.#inHand.values()) delivery.consumer.inHand -= 1;
    this.#inHand.clear();
    this.#dispatcher = this.#newDispatcher();
  }

  #newDispatcher(): Dispatcher<Member, Delivery> {
    return this.type === 'key-shared'
      ? createKeyedDispatcher(this.#source, this.cursor.position)
      : createPlainDispatcher(this.#source, this.cursor.position, this.type === 'shared');
  }

  #checkTopic(message: IncomingMessage): void {
    if (message.topic === this.log.name) return;
    throw new PaystreamError(
      'INVALID_ARGUMENT',
      `a message of topic "${message.topic}" was given to a subscription of "${this.log.name}"`,
      {
        reason: 'WRONG_TOPIC',
      },
    );
  }

  /** Wakes those who wait when the next delayed message is due. */
  #armTimer(): void {
    const dueMs = this.#waiting.size === 0 ? Number.POSITIVE_INFINITY : this.#dispatcher.nextDueMs();
    if (this.#timer !== undefined && this.#timer.dueMs <= dueMs && this.#waiting.size > 0) return;
    this.#timer?.timer.cancel();
    this.#timer = undefined;
    const now = this.#host.clock.now();
    if (!Number.isFinite(dueMs) || dueMs <= now) return;
    const timer = this.#host.clock.setTimer(dueMs - now, () => {
      this.#timer = undefined;
      this.pump();
    });
    this.#timer = { dueMs, timer };
  }
}
