import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { Client, type ClientReadableStream, credentials, Metadata } from '@grpc/grpc-js';
import { systemClock } from '../clock/system-clock.ts';
import { errorFromRpc } from '../rpc/from-rpc-error.ts';

/** How a test calls. */
export interface TestCall {
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

interface Method<I extends DescMessage, O extends DescMessage> {
  readonly parent: DescMethod['parent'];
  readonly name: string;
  readonly input: I;
  readonly output: O;
}

/** One real client. What fails rejects with a `PaystreamError`. */
export interface TestClient {
  unary<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>,
    call?: TestCall,
  ): Promise<MessageShape<O>>;
  stream<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>,
    call?: TestCall,
  ): AsyncIterable<MessageShape<O>>;
  close(): void;
}

async function* translated<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    throw errorFromRpc(error);
  }
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value;
}

function overConnect(transport: Transport): TestClient {
  return {
    unary: async (method, request, call = {}) => {
      try {
        const answer = await transport.unary(method as never, call.signal, call.timeoutMs, call.headers, request as never);
        return answer.message as never;
      } catch (error) {
        throw errorFromRpc(error);
      }
    },
    stream: (method, request, call = {}) => {
      const start = async function* (): AsyncGenerator<never> {
        const input = once(create(method.input, request));
        const answer = await transport.stream(method as never, call.signal, call.timeoutMs, call.headers, input as never);
        yield* answer.message as AsyncIterable<never>;
      };
      return translated(start());
    },
    close: () => undefined,
  };
}

/** The path of a method. */
function pathOf(method: Pick<DescMethod, 'parent' | 'name'>): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** Bytes as they are, for grpc-js. */
export const raw = (bytes: Buffer): Buffer => bytes;

function overGrpc(address: string): TestClient {
  const client = new Client(address, credentials.createInsecure());
  const prepare = (call: TestCall): [Metadata, { deadline?: number }] => {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(call.headers ?? {})) metadata.set(name, value);
    return [metadata, call.timeoutMs === undefined ? {} : { deadline: systemClock.now() + call.timeoutMs }];
  };
  return {
    unary: (method, request, call = {}) =>
      new Promise((resolve, reject) => {
        const bytes = Buffer.from(toBinary(method.input, create(method.input, request)));
        const running = client.makeUnaryRequest(pathOf(method), raw, raw, bytes, ...prepare(call), (error, answer) => {
          if (error !== null) reject(errorFromRpc(error));
          else resolve(fromBinary(method.output, answer as Buffer));
        });
        call.signal?.addEventListener('abort', () => running.cancel());
      }),
    stream: (method, request, call = {}) => {
      const bytes = Buffer.from(toBinary(method.input, create(method.input, request)));
      const running: ClientReadableStream<Buffer> = client.makeServerStreamRequest(pathOf(method), raw, raw, bytes, ...prepare(call));
      call.signal?.addEventListener('abort', () => running.cancel());
      const messages = async function* (): AsyncGenerator<never> {
        for await (const part of running as AsyncIterable<Buffer>) yield fromBinary(method.output, part) as never;
      };
      return translated(messages());
    },
    close: () => client.close(),
  };
}

/** A client of each kind, by name. */
export function testClients(grpcAddress: string, baseUrl: string): Record<'grpc' | 'connect' | 'connect-json' | 'grpc-web', TestClient> {
  return {
    grpc: overGrpc(grpcAddress),
    connect: overConnect(createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: true })),
    'connect-json': overConnect(createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false })),
    'grpc-web': overConnect(createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })),
  };
}
