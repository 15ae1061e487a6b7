import { type AddressInfo, createServer, type Socket } from 'node:net';
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type BaseCommand,
  BaseCommandSchema,
  LookupType,
  PartitionMetadataLookupType,
  BaseCommand_Type as Type,
} from '../gen/pulsar/wire_pb.ts';
import { encodeCommand } from '../wire/commands.ts';
import { FrameDecoder } from '../wire/frame-decoder.ts';

/** A command as a test writes it. */
export type CommandInit = MessageInitShape<typeof BaseCommandSchema>;

/** One connection of a client to a fake broker. */
export interface FakeSession {
  /** From 0, in the order of connecting. */
  readonly number: number;
  /** Everything that the client sent, in order. */
  readonly received: readonly BaseCommand[];
  readonly closed: boolean;
  send(...commands: readonly CommandInit[]): void;
  /** Sends bytes as they are. */
  sendRaw(bytes: Buffer): void;
  /** Cuts the connection. */
  close(): void;
}

/**
 * What a fake broker does with a command: `true` if it has dealt with it, `false` leaves it to what a broker that works would do. `payload` is what follows
 * the command in the frame.
 */
export type FakeScript = (command: BaseCommand, session: FakeSession, payload: Buffer) => boolean;

/** A broker that does what a test says. */
export interface FakeBroker {
  readonly port: number;
  /** `127.0.0.1:port` */
  readonly address: string;
  /** `pulsar://127.0.0.1:port` */
  readonly serviceUrl: string;
  /** All connections so far. */
  readonly sessions: readonly FakeSession[];
  /** Resolves with the first command that fits, of those that came already or of those to come. */
  waitFor(fits: (command: BaseCommand, session: FakeSession) => boolean): Promise<BaseCommand>;
  close(): Promise<void>;
}

/** A frame of a command as a test writes it. */
export function frameOf(command: CommandInit): Buffer {
  return encodeCommand(create(BaseCommandSchema, command));
}

/** What the handshake of a broker 4.0 says. */
export const connected: CommandInit = {
  type: Type.CONNECTED,
  connected: {
    serverVersion: 'Fake Broker',
    protocolVersion: 21,
    maxMessageSize: 5_242_880,
    featureFlags: { supportsTopicWatchers: true, supportsGetPartitionedMetadataWithoutAutoCreation: true },
  },
};

/** Answers what a client needs to work, so that a script has to say only what is of interest. */
function answer(command: BaseCommand, session: FakeSession, serviceUrl: string, entries: { next: bigint }): void {
  const success = (requestId: bigint | undefined): void => session.send({ type: Type.SUCCESS, success: { requestId: requestId ?? 0n } });
  switch (command.type) {
    case Type.CONNECT:
      session.send(connected);
      return;
    case Type.PING:
      session.send({ type: Type.PONG, pong: {} });
      return;
    case Type.LOOKUP:
      session.send({
        type: Type.LOOKUP_RESPONSE,
        lookupTopicResponse: {
          requestId: command.lookupTopic?.requestId ?? 0n,
          response: LookupType.CONNECT,
          brokerServiceUrl: serviceUrl,
          authoritative: true,
        },
      });
      return;
    case Type.PARTITIONED_METADATA:
      session.send({
        type: Type.PARTITIONED_METADATA_RESPONSE,
        partitionMetadataResponse: {
          requestId: command.partitionMetadata?.requestId ?? 0n,
          response: PartitionMetadataLookupType.SUCCESS,
          partitions: 0,
        },
      });
      return;
    case Type.PRODUCER:
      session.send({
        type: Type.PRODUCER_SUCCESS,
        producerSuccess: {
          requestId: command.producer?.requestId ?? 0n,
          producerName: command.producer?.producerName || 'fake-producer',
          lastSequenceId: -1n,
        },
      });
      return;
    case Type.SEND: {
      const { producerId = 0n, sequenceId = 0n, highestSequenceId = 0n } = command.send ?? {};
      entries.next += 1n;
      const messageId = { ledgerId: 1n, entryId: entries.next - 1n };
      session.send({ type: Type.SEND_RECEIPT, sendReceipt: { producerId, sequenceId, highestSequenceId, messageId } });
      return;
    }
    case Type.SUBSCRIBE:
      success(command.subscribe?.requestId);
      return;
    case Type.UNSUBSCRIBE:
      success(command.unsubscribe?.requestId);
      return;
    case Type.CLOSE_PRODUCER:
      success(command.closeProducer?.requestId);
      return;
    case Type.CLOSE_CONSUMER:
      success(command.closeConsumer?.requestId);
      return;
    case Type.SEEK:
      success(command.seek?.requestId);
      return;
  }
}

/** Starts a fake broker on a free loopback port. */
export async function createFakeBroker(script: FakeScript = () => false): Promise<FakeBroker> {
  const sessions: FakeSession[] = [];
  const waiting = new Set<(command: BaseCommand, session: FakeSession) => void>();
  const entries = { next: 0n };
  let serviceUrl = '';

  function serve(socket: Socket): void {
    const received: BaseCommand[] = [];
    const session: FakeSession = {
      number: sessions.length,
      received,
      get closed() {
        return socket.destroyed;
      },
      send: (...commands) => {
        if (!socket.destroyed) socket.write(Buffer.concat(commands.map(frameOf)));
      },
      sendRaw: (bytes) => {
        if (!socket.destroyed) socket.write(bytes);
      },
      close: () => socket.destroy(),
    };
    sessions.push(session);
    const decoder = new FrameDecoder((buffer, start, end) => {
      const commandEnd = start + 4 + buffer.readUInt32BE(start);
      const command = fromBinary(BaseCommandSchema, buffer.subarray(start + 4, commandEnd));
      received.push(command);
      for (const look of waiting) look(command, session);
      if (!script(command, session, buffer.subarray(commandEnd, end))) answer(command, session, serviceUrl, entries);
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => decoder.push(chunk));
    // A client that goes away is nothing to report.
    socket.on('error', () => socket.destroy());
  }

  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const address = `127.0.0.1:${port}`;
  serviceUrl = `pulsar://${address}`;

  return {
    port,
    address,
    serviceUrl,
    sessions,
    waitFor(fits) {
      for (const session of sessions) {
        const found = session.received.find((command) => fits(command, session));
        if (found !== undefined) return Promise.resolve(found);
      }
      return new Promise((resolve) => {
        const look = (command: BaseCommand, session: FakeSession): void => {
          if (!fits(command, session)) return;
          waiting.delete(look);
          resolve(command);
        };
        waiting.add(look);
      });
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
