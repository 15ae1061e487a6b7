import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { CallOptions, Client, Metadata } from '@grpc/grpc-js';
import { PaystreamError, systemClock } from '@paystream/core';
import { errorFromRpc } from '@paystream/core/rpc';
import { canceled } from './retry.ts';
import { type ClientTransport, loadDriver, type TransportCall, type TransportOptions } from './transport.ts';

// The driver lives in the platform's time, whatever clock the client was given.
function callOptions(call: TransportCall): CallOptions {
  return call.timeoutMs === undefined ? {} : { deadline: systemClock.now() + call.timeoutMs };
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function encoder<D extends DescMessage>(schema: D): (message: MessageShape<D>) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function pathOf(method: { readonly name: string; readonly parent: { readonly typeName: string } }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function transportOver(client: Client, metadata: Metadata): ClientTransport {
  return {
    unary: (method, request, call) =>
      new Promise((resolve, reject) => {
        const { signal } = call;
        if (isAborted(signal)) {
          reject(canceled(signal?.reason));
          return;
        }
        const encode = encoder(method.input);
        const decode = (bytes: Buffer): MessageShape<typeof method.output> => fromBinary(method.output, bytes);
        const abort = (): void => under.cancel();
        const under = client.makeUnaryRequest(pathOf(method), encode, decode, request, metadata, callOptions(call), (error, answer) => {
          signal?.removeEventListener('abort', abort);
          if (error !== null) reject(isAborted(signal) ? canceled(signal?.reason) : errorFromRpc(error));
          else if (answer === undefined) reject(new PaystreamError('INTERNAL', 'an answer without a message', { reason: 'EMPTY_ANSWER' }));
          else resolve(answer);
        });
        signal?.addEventListener('abort', abort, { once: true });
      }),
    stream: async function* (method, request, call) {
      const { signal } = call;
      if (isAborted(signal)) throw canceled(signal?.reason);
      const encode = encoder(method.input);
      const decode = (bytes: Buffer): MessageShape<typeof method.output> => fromBinary(method.output, bytes);
      const under = client.makeServerStreamRequest(pathOf(method), encode, decode, request, metadata, callOptions(call));
      const abort = (): void => under.cancel();
      signal?.addEventListener('abort', abort, { once: true });
      try {
        for await (const answer of under) yield answer as MessageShape<typeof method.output>;
      } catch (error) {
        throw isAborted(signal) ? canceled(signal?.reason) : errorFromRpc(error);
      } finally {
        signal?.removeEventListener('abort', abort);
        under.cancel();
      }
    },
    close: () => client.close(),
  };
}

// The driver's own pauses between two tries to connect grow to two minutes, and calls fail at once meanwhile: a service
// that was away for some seconds would seem to be away for minutes.
const reconnect = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 1_000 };

/** Calls over gRPC with `@grpc/grpc-js`. */
export async function createGrpcTransport({ baseUrl, apiKey }: TransportOptions): Promise<ClientTransport> {
  const grpc = await loadDriver('@grpc/grpc-js', () => import('@grpc/grpc-js'));
  const secure = baseUrl.protocol === 'https:';
  const metadata = new grpc.Metadata();
  if (apiKey !== undefined) metadata.set('authorization', `Bearer ${apiKey}`);
  const address = `${baseUrl.hostname}:${baseUrl.port || (secure ? 443 : 80)}`;
  const credentials = secure ? grpc.credentials.createSsl() : grpc.credentials.createInsecure();
  return transportOver(new grpc.Client(address, credentials, reconnect), metadata);
}
