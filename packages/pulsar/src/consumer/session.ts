import type { ClientContext } from '../client/context.ts';
import { assignedAddress, migrationTarget } from '../connection/assigned.ts';
import { type Backoff, createBackoff } from '../connection/backoff.ts';
import type { AssignedBroker, BrokerAddress, Connection, ConsumerHandler, MessageFrame } from '../connection/port.ts';
import { PulsarError, type PulsarErrorCode } from '../errors/pulsar-error.ts';
import type { BaseCommand } from '../gen/pulsar/wire_pb.ts';
import type { Lookup } from '../lookup/port.ts';
import { closeConsumer } from './consumer-commands.ts';

/** What a session does for its consumer. */
export interface SessionHooks {
  /** The SUBSCRIBE of a new session. What is left of the session before it is to be cleared now. */
  subscribe(requestId: bigint): BaseCommand;
  /** Subscribed: acknowledgements and FLOW may be sent. */
  onReady(connection: Connection, session: number): void;
  onMessage(frame: MessageFrame, connection: Connection, session: number): void;
  onActiveChange(isActive: boolean): void;
  onEndOfTopic(): void;
  /** An attempt has failed; the next one is made after so many milliseconds. */
  onRetry(error: PulsarError, delayMs: number): void;
  /** The session is over; another one is being made. */
  onLost(error: PulsarError): void;
  /** There will be no other one. */
  onFailed(error: PulsarError): void;
}

/** Options of a {@link Session}. */
export interface SessionOptions {
  readonly context: ClientContext;
  readonly topic: string;
  readonly consumerId: number;
  readonly hooks: SessionHooks;
}

export type SessionState = 'connecting' | 'ready' | 'closing' | 'closed' | 'failed';

type GivesUp = (error: PulsarError, delayMs: number) => boolean;

/** A connection to be made. */
interface Attempts {
  readonly delayMs: number;
  /** Where to go at first, without a look-up. */
  readonly assigned: AssignedBroker | undefined;
  readonly givesUp: GivesUp;
}

/** What ends a consumer that was subscribed before; anything else is tried again. */
const fatal: ReadonlySet<PulsarErrorCode> = new Set<PulsarErrorCode>([
  'TOPIC_NOT_FOUND',
  'SUBSCRIPTION_NOT_FOUND',
  'AUTHORIZATION',
  'ALREADY_CLOSED',
  'INCOMPATIBLE_SCHEMA',
]);

/** Keeps one consumer subscribed: connects, subscribes, and does both again whenever the session is lost, one attempt at a time. */
export class Session {
  readonly #options: SessionOptions;
  readonly #slot: number;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #state: SessionState = 'connecting';
  #number = 0;
  #connection: Connection | undefined;
  #address: BrokerAddress | undefined;
  #lookup: Lookup;
  #connecting = false;
  /** Asked for while a connection is being made: begun when that is done. */
  #next: Attempts | undefined;
  #wake: (() => void) | undefined;
  #ready = Promise.withResolvers<void>();
  #ended = Promise.withResolvers<void>();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#slot = options.context.pool.newSlot();
    this.#lookup = options.context.lookup;
    this.#backoff = createBackoff(options.context.backoff);
    this.#ready.promise.catch(() => undefined);
  }

  get state(): SessionState {
    return this.#state;
  }

  /** The connection, while it is subscribed. */
  get connection(): Connection | undefined {
    return this.#state === 'ready' ? this.#connection : undefined;
  }

  /** Which session this is: grows with each attempt to subscribe. */
  get number(): number {
    return this.#number;
  }

  /** Resolves once subscribed, at once if it is; rejects if it never will be. */
  whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves once the session that is there now is over, at once if there is none. */
  whenEnded(): Promise<void> {
    return this.#state === 'ready' ? this.#ended.promise : Promise.resolve();
  }

  /** Subscribes for the first time. What may pass is tried again until the operation time-out; anything else rejects at once. */
  async open(): Promise<void> {
    const deadline = performance.now() + this.#options.context.operationTimeoutMs;
    await this.#connect(0, undefined, (error, delayMs) => !error.retryable || performance.now() + delayMs > deadline);
    await this.whenReady();
  }

  /** Gives up the session and makes a new one. */
  restart(): void {
    const connection = this.#connection;
    if (this.#state !== 'ready' || connection === undefined) return;
    connection.removeConsumer(this.#options.consumerId);
    this.#sendClose(connection);
    this.#lost(new PulsarError('NOT_CONNECTED', `the session on ${this.#options.topic} was given up`), undefined);
  }

  /** Aborted once there is no session any more and will be none. */
  get over(): AbortSignal {
    return this.#stop.signal;
  }

  /** No new sessions from here on, and who waits for one gets the error; the connection stays for the last commands. */
  closing(error: PulsarError): void {
    if (this.#state === 'closed' || this.#state === 'failed' || this.#state === 'closing') return;
    this.#state = this.#state === 'ready' ? 'closing' : 'closed';
    this.#endWaits(error);
    this.#stop.abort(error);
    this.#wake?.();
  }

  #endWaits(error: PulsarError): void {
    this.#ready.reject(error);
    this.#ready = Promise.withResolvers();
    this.#ready.promise.catch(() => undefined);
    this.#ready.reject(error);
    this.#ended.resolve();
  }

  /** Ends it: nothing comes any more. */
  async close(error: PulsarError): Promise<void> {
    const { consumerId, context } = this.#options;
    const connection = this.#connection;
    this.closing(error);
    this.#state = 'closed';
    this.#connection = undefined;
    if (connection === undefined || connection.closed) return;
    const requestId = connection.nextRequestId();
    try {
      await connection.request(requestId, closeConsumer(consumerId, requestId), { timeoutMs: context.operationTimeoutMs });
    } catch (failure) {
      // Gone with its connection, or forgotten by the broker: closed all the same.
      if (!PulsarError.is(failure)) throw failure;
    } finally {
      connection.removeConsumer(consumerId);
    }
  }

  async #connect(delayMs: number, assigned: AssignedBroker | undefined, givesUp: GivesUp): Promise<void> {
    this.#next = { delayMs, assigned, givesUp };
    if (this.#connecting) return;
    this.#connecting = true;
    try {
      for (let next = this.#takeNext(); next !== undefined; next = this.#takeNext()) await this.#connectOnce(next);
    } finally {
      this.#connecting = false;
    }
  }

  #takeNext(): Attempts | undefined {
    const next = this.#next;
    this.#next = undefined;
    return next;
  }

  async #connectOnce({ delayMs, assigned, givesUp }: Attempts): Promise<void> {
    let direct = assigned;
    let waitMs = delayMs;
    while (!this.#stop.signal.aborted) {
      if (waitMs > 0) await this.#sleep(waitMs);
      if (this.#stop.signal.aborted) return;
      const failure = await this.#attempt(direct);
      if (failure === undefined || this.#stop.signal.aborted) return;
      direct = undefined;
      waitMs = this.#backoff.next();
      if (givesUp(failure, waitMs)) {
        this.#fail(failure);
        return;
      }
      this.#options.hooks.onRetry(failure, waitMs);
    }
  }

  /** One try. Returns why it failed. */
  async #attempt(assigned: AssignedBroker | undefined): Promise<PulsarError | undefined> {
    const { context, topic, consumerId, hooks } = this.#options;
    let connection: Connection;
    try {
      const direct = assigned && this.#address && assignedAddress(assigned, this.#address, context.tls);
      this.#address = direct ?? (await this.#lookup.topic(topic));
      connection = await context.pool.connect(this.#address, this.#slot);
    } catch (error) {
      return typed(error);
    }
    if (this.#stop.signal.aborted) return undefined;
    this.#number += 1;
    const session = this.#number;
    const over = new AbortController();
    const lose = (error: PulsarError, to?: AssignedBroker): void => {
      if (over.signal.aborted || session !== this.#number) return;
      over.abort(error);
      connection.removeConsumer(consumerId);
      if (this.#connection === connection) this.#lost(error, to);
    };
    const handler: ConsumerHandler = {
      onMessage: (frame) => {
        if (session === this.#number && !over.signal.aborted) hooks.onMessage(frame, connection, session);
      },
      onActiveChange: (isActive) => hooks.onActiveChange(isActive),
      onEndOfTopic: () => hooks.onEndOfTopic(),
      onClosed: (to) => lose(new PulsarError('NOT_CONNECTED', `the broker closed the consumer on ${topic}`), to),
      onMigrated: (to) => {
        const cluster = migrationTarget(to, context.tls);
        if (cluster !== undefined) this.#lookup = context.lookup.at(cluster);
      },
      onDisconnected: (error) => lose(error),
    };
    connection.addConsumer(consumerId, handler);
    const requestId = connection.nextRequestId();
    try {
      // Who is closed before the answer gets none.
      const signal = AbortSignal.any([this.#stop.signal, over.signal]);
      await connection.request(requestId, hooks.subscribe(requestId), { signal });
    } catch (error) {
      if (over.signal.aborted) return typed(over.signal.reason);
      connection.removeConsumer(consumerId);
      // The broker may have subscribed it, late or unheard: it must not be there when the next try comes.
      if (PulsarError.is(error) && (error.code === 'TIMEOUT' || error.code === 'CANCELED')) this.#sendClose(connection);
      return typed(error);
    }
    if (over.signal.aborted) return typed(over.signal.reason);
    this.#connection = connection;
    this.#state = 'ready';
    this.#backoff.reset();
    hooks.onReady(connection, session);
    this.#ready.resolve();
    return undefined;
  }

  #lost(error: PulsarError, assigned: AssignedBroker | undefined): void {
    this.#connection = undefined;
    if (this.#state !== 'ready') return;
    this.#state = 'connecting';
    this.#ready = Promise.withResolvers();
    this.#ready.promise.catch(() => undefined);
    this.#ended.resolve();
    this.#ended = Promise.withResolvers();
    this.#options.hooks.onLost(error);
    const named = assigned !== undefined && (assigned.serviceUrl ?? assigned.serviceUrlTls) !== undefined;
    const delayMs = named ? 0 : this.#backoff.next();
    // What cannot be foreseen here would otherwise end the process.
    this.#connect(delayMs, assigned, (failure) => fatal.has(failure.code)).catch((failure: unknown) => this.#fail(typed(failure)));
  }

  #fail(error: PulsarError): void {
    if (this.#state === 'closed' || this.#state === 'closing') return;
    this.#state = 'failed';
    this.#endWaits(error);
    this.#options.hooks.onFailed(error);
  }

  #sendClose(connection: Connection): void {
    if (!connection.closed) connection.send(closeConsumer(this.#options.consumerId, connection.nextRequestId()));
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

function typed(error: unknown): PulsarError {
  return PulsarError.is(error) ? error : new PulsarError('PROTOCOL', 'an unexpected error while subscribing', { cause: error });
}
