import { isFieldSet } from '@bufbuild/protobuf';
import type { ClientContext } from '../client/context.ts';
import { assignedAddress, migrationTarget } from '../connection/assigned.ts';
import { type Backoff, createBackoff } from '../connection/backoff.ts';
import type { AssignedBroker, BrokerAddress, Connection, ProducerHandler, SendReceipt } from '../connection/port.ts';
import { PulsarError, type PulsarErrorCode } from '../errors/pulsar-error.ts';
import { type CommandProducerSuccess, CommandProducerSuccessSchema } from '../gen/pulsar/wire_pb.ts';
import type { Lookup } from '../lookup/port.ts';
import type { SchemaInfo } from '../schema/port.ts';
import { closeProducerCommand, producerCommand } from './commands.ts';
import type { ProducerSettings } from './options.ts';

/** What a link tells its producer. */
export interface LinkHooks {
  /** The broker has the producer: what it has not confirmed is to be sent to this connection now, before anything new. */
  onReady(connection: Connection, success: CommandProducerSuccess): void;
  onReceipt(receipt: SendReceipt): void;
  onSendError(sequenceId: number, error: PulsarError): void;
  /** Nothing can be sent until the link is ready again, which it sees to. */
  onDown(error: PulsarError): void;
  /** An attempt has failed; the next one follows after so many milliseconds. */
  onRetry(error: PulsarError, delayMs: number): void;
  /** There is no coming back. */
  onFailed(error: PulsarError): void;
}

/** Options of {@link ProducerLink}. */
export interface LinkOptions {
  readonly context: ClientContext;
  readonly settings: ProducerSettings;
  readonly topic: string;
  /** `undefined`: the broker chooses one. */
  readonly name: string | undefined;
  readonly schema: SchemaInfo | undefined;
  readonly producerId: number;
  readonly hooks: LinkHooks;
}

/** What ends a producer that was there before; anything else is tried again. */
const fatal: ReadonlySet<PulsarErrorCode> = new Set<PulsarErrorCode>([
  'TOPIC_NOT_FOUND',
  'TOPIC_TERMINATED',
  'PRODUCER_FENCED',
  'ALREADY_CLOSED',
]);

interface Session {
  readonly connection: Connection;
  /** Aborted, with a `PulsarError`, when it is over. */
  readonly lost: AbortController;
}

/** Keeps one producer known to the broker that has the topic: makes it, and makes it again whenever it is lost, one attempt at a time. */
export class ProducerLink {
  readonly #options: LinkOptions;
  readonly #slot: number;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #session: Session | undefined;
  #lookup: Lookup;
  #name: string | undefined;
  #epoch = -1;
  #topicEpoch: bigint | undefined;
  #address: BrokerAddress | undefined;
  #assigned: AssignedBroker | undefined;
  /** The broker has put the producer in line for exclusive access. */
  #inLine = false;
  #wake: (() => void) | undefined;

  constructor(options: LinkOptions) {
    const { context, settings, name } = options;
    this.#options = options;
    this.#name = name;
    this.#slot = context.pool.newSlot();
    this.#lookup = context.lookup;
    const stop = settings.sendTimeoutMs > 0 ? { stopMs: Math.max(100, settings.sendTimeoutMs - 100) } : {};
    this.#backoff = createBackoff({ ...context.backoff, ...stop });
  }

  get connected(): boolean {
    return this.#session !== undefined;
  }

  /** Of the cluster that has the topic. */
  get lookup(): Lookup {
    return this.#lookup;
  }

  /**
   * Makes the producer. What may pass is tried again until the operation time-out; in line for exclusive access it waits without
   * limit.
   */
  async open(signal: AbortSignal | undefined): Promise<void> {
    const { operationTimeoutMs } = this.#options.context;
    const cancel = (): void => {
      this.#end(new PulsarError('CANCELED', 'the making of a producer was canceled', { cause: signal?.reason }));
    };
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    let deadline = performance.now() + operationTimeoutMs;
    try {
      for (;;) {
        const failure = await this.#attempt(Math.max(1, deadline - performance.now()));
        if (failure === undefined) return;
        if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
        if (this.#inLine) deadline = performance.now() + operationTimeoutMs;
        this.#inLine = false;
        const delayMs = this.#backoff.next();
        if (!failure.retryable || performance.now() + delayMs >= deadline) throw failure;
        this.#options.hooks.onRetry(failure, delayMs);
        await this.#sleep(delayMs);
      }
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** One attempt. Returns why it failed. */
  async #attempt(timeoutMs: number | undefined): Promise<PulsarError | undefined> {
    const { context, settings, topic, producerId, schema } = this.#options;
    this.#epoch += 1;
    let session: Session | undefined;
    try {
      if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
      this.#address = this.#takeAssigned() ?? (await this.#unlessEnded(this.#lookup.topic(topic)));
      const connection = await this.#unlessEnded(context.pool.connect(this.#address, this.#slot));
      session = this.#register(connection);
      const requestId = connection.nextRequestId();
      const command = producerCommand({
        topic,
        producerId,
        requestId,
        name: this.#name,
        nameIsChosen: this.#options.name !== undefined,
        properties: settings.properties,
        schema,
        epoch: this.#epoch,
        accessMode: settings.accessMode,
        topicEpoch: this.#topicEpoch,
        transactions: context.transactionsEnabled,
        initialSubscription: settings.initialSubscription,
      });
      const answer = await connection.request(requestId, command, {
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        // Who is closed before the answer gets none.
        signal: AbortSignal.any([this.#stop.signal, session.lost.signal]),
        until: ({ producerSuccess }) => {
          if (producerSuccess?.producerReady !== false) return true;
          this.#inLine = true;
          return false;
        },
      });
      session.lost.signal.throwIfAborted();
      if (answer.producerSuccess === undefined) throw new PulsarError('PROTOCOL', 'the broker answered PRODUCER with another command');
      this.#adopt(session, answer.producerSuccess);
      return undefined;
    } catch (cause) {
      const why: unknown = session?.lost.signal.aborted ? session.lost.signal.reason : cause;
      const error = PulsarError.is(why) ? why : new PulsarError('PROTOCOL', `cannot produce to ${topic}`, { cause: why });
      if (session !== undefined) this.#abandon(session, error);
      return error;
    }
  }

  #unlessEnded<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#stop;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  #takeAssigned(): BrokerAddress | undefined {
    const assigned = this.#assigned;
    this.#assigned = undefined;
    if (assigned === undefined || this.#address === undefined) return undefined;
    return assignedAddress(assigned, this.#address, this.#options.context.tls);
  }

  /** From before the broker is asked: it may close the producer before it has answered. */
  #register(connection: Connection): Session {
    const { producerId, topic, hooks } = this.#options;
    const session: Session = { connection, lost: new AbortController() };
    const handler: ProducerHandler = {
      onReceipt: (receipt) => {
        if (session === this.#session) hooks.onReceipt(receipt);
      },
      onSendError: (sequenceId, error) => {
        if (session === this.#session) hooks.onSendError(sequenceId, error);
      },
      onClosed: (assigned) => this.#lose(session, new PulsarError('NOT_CONNECTED', `the broker closed the producer on ${topic}`), assigned),
      onMigrated: (to) => {
        const cluster = migrationTarget(to, this.#options.context.tls);
        if (cluster !== undefined) this.#lookup = this.#options.context.lookup.at(cluster);
      },
      onDisconnected: (error) => this.#lose(session, error, undefined),
    };
    connection.addProducer(producerId, handler);
    return session;
  }

  #adopt(session: Session, success: CommandProducerSuccess): void {
    this.#name = success.producerName;
    if (isFieldSet(success, CommandProducerSuccessSchema.field.topicEpoch)) this.#topicEpoch = success.topicEpoch;
    this.#session = session;
    this.#backoff.reset();
    this.#options.hooks.onReady(session.connection, success);
  }

  #abandon(session: Session, error: PulsarError): void {
    const { connection } = session;
    const { producerId } = this.#options;
    this.#drop(session, error);
    // The broker may have made it, late or unheard: it must not be there when the next attempt comes.
    const unheard = error.code === 'TIMEOUT' || error.code === 'CANCELED';
    if (unheard && !connection.closed) connection.send(closeProducerCommand(producerId, connection.nextRequestId()));
  }

  /** Gives up the session without closing the connection, which others may use, and makes a new one. */
  reset(error: PulsarError): void {
    if (this.#session !== undefined) this.#lose(this.#session, error, undefined);
  }

  /** Closes the connection, since what comes over it cannot be trusted, and makes a new session. */
  breakConnection(error: PulsarError): void {
    this.#session?.connection.close(error);
  }

  #lose(session: Session, error: PulsarError, assigned: AssignedBroker | undefined): void {
    if (!this.#drop(session, error) || session !== this.#session) return;
    this.#session = undefined;
    this.#assigned = assigned;
    this.#options.hooks.onDown(error);
    if (this.#stop.signal.aborted) return;
    const named = assigned?.serviceUrl !== undefined || assigned?.serviceUrlTls !== undefined;
    this.#comeBack(named ? 0 : this.#backoff.next()).catch((cause: unknown) => this.fail(cause));
  }

  /** Hears nothing more of a session. Returns whether it did before. */
  #drop({ connection, lost }: Session, error: PulsarError): boolean {
    if (lost.signal.aborted) return false;
    lost.abort(error);
    connection.removeProducer(this.#options.producerId);
    return true;
  }

  async #comeBack(firstDelayMs: number): Promise<void> {
    for (let delayMs = firstDelayMs; ; ) {
      if (delayMs > 0) await this.#sleep(delayMs);
      if (this.#stop.signal.aborted) return;
      const failure = await this.#attempt(undefined);
      this.#inLine = false;
      if (failure === undefined || this.#stop.signal.aborted) return;
      if (fatal.has(failure.code)) {
        this.fail(failure);
        return;
      }
      delayMs = this.#backoff.next();
      this.#options.hooks.onRetry(failure, delayMs);
    }
  }

  /** It is over: the broker takes nothing more from it. */
  fail(cause: unknown): void {
    const error = PulsarError.is(cause) ? cause : new PulsarError('PROTOCOL', 'an unexpected error in a producer', { cause });
    if (!this.#end(error)) return;
    this.#session?.connection.removeProducer(this.#options.producerId);
    this.#session = undefined;
    this.#options.hooks.onFailed(error);
  }

  /** Tells the broker that the producer is over, after what was written before. Never rejects. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#end(new PulsarError('ALREADY_CLOSED', 'the producer is closed'));
    if (session === undefined || session.lost.signal.aborted) return;
    const { connection } = session;
    const { producerId } = this.#options;
    const requestId = connection.nextRequestId();
    // Whatever is wrong now, the producer is over; and a broker that does not answer notices when the connection ends.
    await connection.request(requestId, closeProducerCommand(producerId, requestId)).catch(() => undefined);
    this.#drop(session, this.#stop.signal.reason);
    this.#session = undefined;
  }

  #end(reason: PulsarError): boolean {
    if (this.#stop.signal.aborted) return false;
    this.#stop.abort(reason);
    this.#wake?.();
    return true;
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
