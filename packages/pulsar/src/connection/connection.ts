import type { Socket } from 'node:net';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { EmitEvent } from '../events/events.ts';
import { type BaseCommand, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { encodeCommand, PING_FRAME, PONG_FRAME } from '../wire/commands.ts';
import { type CommandSink, decodeCommand } from '../wire/decode-command.ts';
import { FrameDecoder } from '../wire/frame-decoder.ts';
import { answerOf, commandName } from './answers.ts';
import type { Authentication } from './auth/port.ts';
import { answerChallenge, readWelcome, type Welcome } from './handshake.ts';
import type { SocketOptions } from './open-socket.ts';
import type { BrokerAddress, Connection, ConsumerHandler, ProducerHandler, TopicListHandler } from './port.ts';
import { createRegistry, dispatch, hasAny, type Registry, tellDisconnected } from './registry.ts';
import { createRequests, type Requests } from './requests.ts';
import { createSocketWriter, type SocketWriter } from './socket-writer.ts';

/** What a connection is made with. Times in milliseconds. */
export interface ConnectionOptions extends SocketOptions {
  readonly address: BrokerAddress;
  readonly authentication: Authentication;
  /** For the whole attempt, handshake included. */
  readonly connectionTimeoutMs: number;
  readonly operationTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly nextRequestId: () => bigint;
  readonly emit: EmitEvent;
  /** Called when it is open no more, before producers and consumers are told. */
  readonly onClosed: (connection: PooledConnection) => void;
}

/** A connection as its pool sees it. */
export interface PooledConnection extends Connection {
  /** Whether producers, consumers or topic lists are registered. */
  readonly serves: boolean;
  /** Whether somebody is registered or waits for an answer. */
  readonly inUse: boolean;
}

/** A connection over a socket that is open; of use once `handshake` has resolved. */
export class BrokerConnection implements PooledConnection {
  readonly broker: string;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #writer: SocketWriter;
  readonly #requests: Requests;
  readonly #registry: Registry = createRegistry();
  readonly #decoder: FrameDecoder;
  readonly #closing = new AbortController();
  #welcome: Welcome | undefined;
  #onHandshake: ((command: BaseCommand) => void) | undefined;
  #onHandshakeFailed: ((error: PulsarError) => void) | undefined;
  #keepAlive: NodeJS.Timeout | undefined;
  #received = true;

  constructor(options: ConnectionOptions, socket: Socket) {
    this.broker = options.address.logical;
    this.#options = options;
    this.#socket = socket;
    this.#writer = createSocketWriter(socket);
    this.#requests = createRequests(this.broker);
    const sink = this.#commandSink();
    this.#decoder = new FrameDecoder((buffer, start, end) => decodeCommand(buffer, start, end, sink));
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', (cause) => this.close(this.#lost(cause.message, cause)));
    socket.on('close', () => this.close(this.#lost('the other side closed it')));
  }

  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get serves(): boolean {
    return hasAny(this.#registry);
  }

  get inUse(): boolean {
    return this.serves || this.#requests.size > 0;
  }

  get protocolVersion(): number {
    return this.#ready.protocolVersion;
  }

  get maxMessageSize(): number {
    return this.#ready.maxMessageSize;
  }

  get features(): Connection['features'] {
    return this.#ready;
  }

  get #ready(): Welcome {
    if (this.#welcome === undefined) throw new PulsarError('NOT_CONNECTED', `the connection to ${this.broker} is not ready`);
    return this.#welcome;
  }

  /** Sends the first command and resolves when the broker takes the client. */
  handshake(first: BaseCommand): Promise<Welcome> {
    return new Promise((resolve, reject) => {
      this.#onHandshakeFailed = reject;
      this.#onHandshake = (command) => {
        const welcome = readWelcome(command);
        if (welcome === undefined) {
          this.#answerChallenge(command);
          return;
        }
        this.#welcome = welcome;
        this.#onHandshake = undefined;
        this.#onHandshakeFailed = undefined;
        this.#decoder.setMaxMessageSize(welcome.maxMessageSize);
        this.#keepAlive = setInterval(() => this.#checkAlive(), this.#options.keepAliveMs).unref();
        resolve(welcome);
      };
      if (this.closed) reject(this.#closing.signal.reason);
      else this.send(first);
    });
  }

  nextRequestId(): bigint {
    return this.#options.nextRequestId();
  }

  request(
    requestId: bigint,
    command: BaseCommand,
    options: { readonly timeoutMs?: number; readonly until?: (answer: BaseCommand) => boolean; readonly signal?: AbortSignal } = {},
  ): Promise<BaseCommand> {
    const timeoutMs = options.timeoutMs ?? this.#options.operationTimeoutMs;
    const answer = this.#requests.wait(requestId, commandName(command), { ...options, timeoutMs });
    if (options.signal?.aborted !== true) this.send(command);
    return answer;
  }

  awaitAnswer(requestId: bigint, name: string, timeoutMs: number = this.#options.operationTimeoutMs): Promise<BaseCommand> {
    return this.#requests.wait(requestId, name, { timeoutMs });
  }

  send(command: BaseCommand): void {
    this.#writer.write(encodeCommand(command));
  }

  write(frames: Buffer | readonly Buffer[]): boolean {
    return this.#writer.write(frames);
  }

  get writable(): boolean {
    return this.#writer.writable;
  }

  drained(): Promise<void> {
    return this.#writer.drained();
  }

  addProducer(producerId: number, handler: ProducerHandler): void {
    this.#registry.producers.set(producerId, handler);
  }

  removeProducer(producerId: number): void {
    this.#registry.producers.delete(producerId);
  }

  addConsumer(consumerId: number, handler: ConsumerHandler): void {
    this.#registry.consumers.set(consumerId, handler);
  }

  removeConsumer(consumerId: number): void {
    this.#registry.consumers.delete(consumerId);
  }

  addTopicList(watcherId: number, handler: TopicListHandler): void {
    this.#registry.topicLists.set(watcherId, handler);
  }

  removeTopicList(watcherId: number): void {
    this.#registry.topicLists.delete(watcherId);
  }

  close(reason?: PulsarError): void {
    if (this.closed) return;
    const error = reason ?? this.#lost('the client closed it');
    this.#closing.abort(error);
    clearInterval(this.#keepAlive);
    this.#decoder.close();
    this.#writer.close();
    this.#socket.destroy();
    if (this.#welcome !== undefined) this.#emit('closed', { error });
    this.#options.onClosed(this);
    this.#onHandshakeFailed?.(error);
    this.#requests.failAll(error);
    tellDisconnected(this.#registry, error);
  }

  #lost(why: string, cause?: unknown): PulsarError {
    return new PulsarError('NOT_CONNECTED', `the connection to ${this.broker} is lost: ${why}`, { cause });
  }

  #emit(type: 'closed' | 'credentials-refreshed' | 'unknown-command', more: { error?: PulsarError; command?: number } = {}): void {
    this.#options.emit({ scope: 'connection', type, broker: this.broker, address: this.#options.address.physical, ...more });
  }

  #onData(chunk: Buffer): void {
    this.#received = true;
    try {
      this.#decoder.push(chunk);
    } catch (cause) {
      // Whatever is not understood: nothing that follows can be trusted.
      this.close(PulsarError.is(cause) ? cause : new PulsarError('PROTOCOL', `what ${this.broker} sent was not understood`, { cause }));
    }
  }

  #checkAlive(): void {
    if (this.#received) {
      this.#received = false;
      this.#writer.write(PING_FRAME);
      return;
    }
    // A process that was busy or frozen finds its timers due before it reads what has come meanwhile.
    setImmediate(() => {
      if (this.#received || this.closed) return;
      this.close(this.#lost(`nothing came within ${this.#options.keepAliveMs} ms, not even an answer to PING`));
    });
  }

  #commandSink(): CommandSink {
    const { producers, consumers } = this.#registry;
    return {
      onReceipt: (receipt) => producers.get(receipt.producerId)?.onReceipt(receipt),
      onMessage: (consumerId, frame) => consumers.get(consumerId)?.onMessage(frame),
      onPing: () => {
        this.#writer.write(PONG_FRAME);
      },
      // That something came is all that counts.
      onPong: () => undefined,
      onCommand: (command) => this.#onCommand(command),
      onUnknown: (type) => this.#emit('unknown-command', { command: type }),
    };
  }

  #onCommand(command: BaseCommand): void {
    if (this.#onHandshake !== undefined) {
      this.#onHandshake(command);
      return;
    }
    if (command.type === Type.AUTH_CHALLENGE) {
      this.#answerChallenge(command);
      return;
    }
    const answer = answerOf(command);
    if (answer === undefined) dispatch(command, this.#registry);
    else this.#requests.settle(answer, command);
  }

  #answerChallenge(challenge: BaseCommand): void {
    answerChallenge(challenge, this.#options.authentication, this.#closing.signal).then(
      (answer) => {
        if (this.closed) return;
        this.send(answer);
        if (this.#welcome !== undefined) this.#emit('credentials-refreshed');
      },
      (cause: unknown) => {
        const error = PulsarError.is(cause) ? cause : new PulsarError('AUTHENTICATION', 'the challenge could not be answered', { cause });
        this.close(error);
      },
    );
  }
}
