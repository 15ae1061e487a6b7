import type { PulsarError } from '../errors/pulsar-error.ts';
import type { BaseCommand } from '../gen/pulsar/wire_pb.ts';

/** A send receipt, decoded by the hot path. */
export interface SendReceipt {
  readonly producerId: number;
  /** The lowest sequence id of the entry. */
  readonly sequenceId: number;
  /** Signed: -1 where the broker says 2^64-1. */
  readonly highestSequenceId: number;
  /** -1 and -1: dropped as a duplicate. */
  readonly ledgerId: bigint;
  readonly entryId: bigint;
}

/** Another address that the broker named when it closed something: connect there without a look-up, once. */
export interface AssignedBroker {
  readonly serviceUrl: string | undefined;
  readonly serviceUrlTls: string | undefined;
}

/** What a connection tells a producer that is registered with it. Called from the read loop: must not throw and must not wait. */
export interface ProducerHandler {
  onReceipt(receipt: SendReceipt): void;
  onSendError(sequenceId: number, error: PulsarError): void;
  /** The broker closed the producer; the connection stays. */
  onClosed(assigned: AssignedBroker): void;
  /** The topic lives in the cluster with these service URLs from now on. The broker closes the producer next. */
  onMigrated(to: AssignedBroker): void;
  /** The connection is gone; nothing more comes from it. */
  onDisconnected(error: PulsarError): void;
}

/** A MESSAGE frame as it came: the consumer decodes what follows the command. */
export interface MessageFrame {
  readonly ledgerId: bigint;
  readonly entryId: bigint;
  readonly partition: number;
  readonly redeliveryCount: number;
  /** Words of the remaining batch indexes, lowest first, signed; empty: all. */
  readonly ackSet: readonly bigint[];
  /** -1 if absent. */
  readonly consumerEpoch: number;
  /**
   * Everything behind the command: checksum, metadata, payload. Valid only during the call unless the consumer keeps it:
   * the buffer is not reused, so keeping a part keeps the whole chunk that was read from the socket alive.
   */
  readonly headersAndPayload: Buffer;
}

/** What a connection tells a consumer that is registered with it. Called from the read loop: must not throw and must not wait. */
export interface ConsumerHandler {
  onMessage(frame: MessageFrame): void;
  onActiveChange(isActive: boolean): void;
  onEndOfTopic(): void;
  onClosed(assigned: AssignedBroker): void;
  /** What is not consumed yet lives in the cluster with these service URLs. The broker closes the consumer next. */
  onMigrated(to: AssignedBroker): void;
  onDisconnected(error: PulsarError): void;
}

/** What a connection tells whoever watches a list of topics. */
export interface TopicListHandler {
  onUpdate(update: { readonly newTopics: readonly string[]; readonly deletedTopics: readonly string[]; readonly topicsHash: string }): void;
  onDisconnected(error: PulsarError): void;
}

/** A handshaken connection to one broker, shared by producers and consumers. */
export interface Connection {
  /** `host:port` of the broker as the cluster knows it. */
  readonly broker: string;
  /** The protocol version that both speak. */
  readonly protocolVersion: number;
  /** In bytes, as the broker said. */
  readonly maxMessageSize: number;
  readonly features: { readonly topicWatchers: boolean; readonly metadataWithoutAutoCreation: boolean };
  readonly closed: boolean;
  /** A new request id, unique in the client. */
  nextRequestId(): bigint;
  /**
   * Sends a command that is answered by `requestId` and resolves with the answer. An ERROR answer rejects with a typed
   * error that names the command; a lost connection with `NOT_CONNECTED`; no answer within `timeoutMs` (default: the
   * client's operation time-out) with `TIMEOUT`. `until` keeps waiting for a further answer while it returns false
   * (PRODUCER_SUCCESS with producer_ready = false); the time-out is off from the first answer on.
   */
  request(
    requestId: bigint,
    command: BaseCommand,
    options?: { readonly timeoutMs?: number; readonly until?: (answer: BaseCommand) => boolean; readonly signal?: AbortSignal },
  ): Promise<BaseCommand>;
  /** Sends a command that is not answered. */
  send(command: BaseCommand): void;
  /** Writes frames that a hot encoder made. Returns whether more may be written at once; if not, wait for `drained`. The buffers must not be changed afterwards. */
  write(frames: Buffer | readonly Buffer[]): boolean;
  /** Whether the socket takes more. */
  readonly writable: boolean;
  /** Resolves when the socket takes more, or the connection is gone. */
  drained(): Promise<void>;
  /** Waits for an ACK_RESPONSE or transaction answer by request id, which the hot encoders chose by `nextRequestId`. */
  awaitAnswer(requestId: bigint, commandName: string, timeoutMs?: number): Promise<BaseCommand>;
  addProducer(producerId: number, handler: ProducerHandler): void;
  removeProducer(producerId: number): void;
  addConsumer(consumerId: number, handler: ConsumerHandler): void;
  removeConsumer(consumerId: number): void;
  addTopicList(watcherId: number, handler: TopicListHandler): void;
  removeTopicList(watcherId: number): void;
  /** Closes it; every request and handler is told. */
  close(reason?: PulsarError): void;
}

/** Where a topic is served. */
export interface BrokerAddress {
  /** `host:port` as the cluster knows the broker. */
  readonly logical: string;
  /** `host:port` to connect to: the same, or a proxy. */
  readonly physical: string;
}

/** Connections of one client, by broker. */
export interface ConnectionPool {
  /** A slot to hold on to: the same producer or consumer keeps its slot through reconnects. */
  newSlot(): number;
  /** A ready connection: one that is open, or a new one. Rejects with `NOT_CONNECTED`, `AUTHENTICATION` or `TIMEOUT`. Concurrent calls share one attempt. */
  connect(address: BrokerAddress, slot: number): Promise<Connection>;
  /**
   * A connection to the service address, for look-ups; tries the next host when one fails. `cluster` is the service URL of another
   * cluster than the client's own; rejects with `INVALID_ARGUMENT` if it is none.
   */
  connectToService(cluster?: string): Promise<{ readonly connection: Connection; readonly address: BrokerAddress }>;
  close(): Promise<void>;
}

/** The connections of a client as look-ups use them. */
export interface ServicePool extends ConnectionPool {
  /**
   * A broker does not serve look-ups well: the next goes to another host, and this connection is closed unless producers or
   * consumers are on it, which have no part in that.
   */
  avoid(connection: Connection, reason: PulsarError): void;
}
