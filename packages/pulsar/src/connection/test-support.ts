import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { afterEach } from 'vitest';
import { createContext, type OwnedContext } from '../client/create-context.ts';
import type { PulsarClientOptions } from '../client/options.ts';
import type { ConnectionEvent, PulsarEvent } from '../events/events.ts';
import { BaseCommandSchema, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { type CommandInit, createFakeBroker, type FakeBroker, type FakeScript, frameOf } from '../testing/fake-broker.ts';
import { createFaultProxy, type FaultProxy, type Faults } from '../testing/fault-proxy.ts';
import type { Connection, ConsumerHandler, ProducerHandler } from './port.ts';

const closers: (() => Promise<unknown>)[] = [];

/** Closes what the helpers below have opened after each test of the file that calls it. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
}

export async function fakeBroker(script?: FakeScript): Promise<FakeBroker> {
  const broker = await createFakeBroker(script);
  closers.push(() => broker.close());
  return broker;
}

export async function faultProxy(target: string, faults: Faults = {}): Promise<FaultProxy> {
  const proxy = await createFaultProxy({ target, faults });
  closers.push(() => proxy.close());
  return proxy;
}

/** A client's inside, whose events are kept. */
export interface WatchedContext extends OwnedContext {
  readonly events: readonly PulsarEvent[];
  /** The types of the events of connections. */
  connectionEvents(): string[];
  /** Resolves with the next event of this type, or one that has come already. */
  nextEvent(type: PulsarEvent['type']): Promise<PulsarEvent>;
}

export function watchedContext(serviceUrl: string, options: Partial<PulsarClientOptions> = {}): WatchedContext {
  const events: PulsarEvent[] = [];
  const waiting = new Set<(event: PulsarEvent) => void>();
  const onEvent = (event: PulsarEvent): void => {
    events.push(event);
    for (const look of waiting) look(event);
  };
  const owned = createContext({ serviceUrl, onEvent, ...options });
  closers.push(() => owned.close());
  return {
    context: owned.context,
    get closed() {
      return owned.closed;
    },
    close: () => owned.close(),
    events,
    connectionEvents: () => events.filter((event): event is ConnectionEvent => event.scope === 'connection').map(({ type }) => type),
    nextEvent(type) {
      const found = events.find((event) => event.type === type);
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve) => {
        const look = (event: PulsarEvent): void => {
          if (event.type !== type) return;
          waiting.delete(look);
          resolve(event);
        };
        waiting.add(look);
      });
    },
  };
}

/** A server that does with each socket what is said. */
export async function rawServer(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    // Clients that go away are nothing to report.
    socket.on('error', () => socket.destroy());
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An address that nothing listens on. */
export async function deadAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

const ignore = (): void => undefined;

export function consumerHandler(overrides: Partial<ConsumerHandler> = {}): ConsumerHandler {
  const all = { onMessage: ignore, onActiveChange: ignore, onEndOfTopic: ignore };
  return { ...all, onClosed: ignore, onMigrated: ignore, onDisconnected: ignore, ...overrides };
}

export function producerHandler(overrides: Partial<ProducerHandler> = {}): ProducerHandler {
  const all = { onReceipt: ignore, onSendError: ignore };
  return { ...all, onClosed: ignore, onMigrated: ignore, onDisconnected: ignore, ...overrides };
}

/** A MESSAGE frame with anything behind the command. */
export function messageFrame(consumerId: bigint, headersAndPayload: Buffer): Buffer {
  const command = frameOf({ type: Type.MESSAGE, message: { consumerId, messageId: { ledgerId: 1n, entryId: 2n } } });
  const frame = Buffer.concat([command, headersAndPayload]);
  frame.writeUInt32BE(frame.length - 4, 0);
  return frame;
}

/** Sends a SEEK: the simplest command that is answered. */
export async function seek(connection: Connection, timeoutMs = 5_000): Promise<void> {
  const requestId = connection.nextRequestId();
  const init: CommandInit = { type: Type.SEEK, seek: { consumerId: 1n, requestId } };
  await connection.request(requestId, create(BaseCommandSchema, init), { timeoutMs });
}
