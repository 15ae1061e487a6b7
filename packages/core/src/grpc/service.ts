import { once } from 'node:events';
import { create, type DescMethod } from '@bufbuild/protobuf';
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  MethodDefinition,
  Server,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedHandleCall,
} from '@grpc/grpc-js';
import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { decodeMessage } from '../protobuf/decode.ts';
import { encodeMessage } from '../protobuf/encode.ts';
import { itemsUntilAbort } from '../rpc/abortable.ts';
import { clientGone, deadlinePassed, ServerCall } from '../rpc/call.ts';
import { methodsOf, type RpcRequest, type RpcResponse, type StreamReading, type UnaryReading } from '../rpc/methods.ts';
import { requestTooLarge } from '../rpc/outcome.ts';
import type { RpcService } from '../rpc/port.ts';
import { createErrorReporter, lateErrors } from '../rpc/reporter.ts';
import { inTurns } from './in-turns.ts';
import { serviceErrorOf } from './service-error.ts';

/** Options of {@link addRpcService}. */
export interface GrpcServiceOptions {
  /** The largest request, in bytes. Larger ones get `RESOURCE_EXHAUSTED` / `REQUEST_TOO_LARGE`. Default: 1 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** Where errors that clients must not see are written. Default: nowhere. */
  readonly logger?: Logger | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/** The largest request that a server takes by default: 1 MiB. */
export const defaultMaxRequestBytes: number = 1_048_576;

const asItIs = (bytes: Buffer): Buffer => bytes;

function callOf(path: string, call: ServerUnaryCall<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>, clock: Clock): ServerCall {
  const deadline = call.getDeadline();
  const deadlineMs = deadline instanceof Date ? deadline.getTime() : deadline;
  const serverCall = new ServerCall(
    path,
    deadlineMs === Number.POSITIVE_INFINITY ? undefined : deadlineMs,
    (name) => {
      const value = call.metadata.get(name)[0];
      return typeof value === 'object' ? value.toString('base64') : value;
    },
    'grpc',
  );
  // grpc-js emits this at the end of every call, the good ones too.
  call.on('cancelled', () => {
    if (serverCall.ended) return;
    const { deadlineMs: until } = serverCall;
    serverCall.abort(until !== undefined && clock.now() >= until ? deadlinePassed() : clientGone());
  });
  return serverCall;
}

/** How many calls are answered before what was answered goes out. */
const answersInTurn = 32;

/**
 * Adds a service to a grpc-js server, yours or one that was made for it; may be bound already. Requests that are no
 * messages of theirs get `INVALID_ARGUMENT`, errors carry `google.rpc.ErrorInfo`, deadlines and cancellation reach the
 * handler's `context.signal`, streams wait for slow readers. Middleware goes around the service: `withRpcMiddleware`.
 *
 * @throws `INVALID_ARGUMENT`: `RPC_METHOD_MISSING` for a method without a handler, `RPC_METHOD_KIND` for one that streams from the client.
 * @example
 * ```ts
 * addRpcService(grpcServer, withRpcMiddleware(service, { authenticate }), { logger });
 * ```
 */
export function addRpcService(server: Server, service: RpcService, options: GrpcServiceOptions = {}): void {
  const { maxRequestBytes = defaultMaxRequestBytes, logger, clock = systemClock } = options;
  const report = createErrorReporter({ logger, clock });
  const inItsTurn = inTurns(answersInTurn);

  const decode = (method: DescMethod, bytes: Buffer): RpcRequest => {
    if (bytes.length > maxRequestBytes) {
      throw new PaystreamError('RESOURCE_EXHAUSTED', `The request has ${bytes.length} bytes; at most ${maxRequestBytes} are taken.`, {
        reason: requestTooLarge,
        retryable: false,
        details: { bytes: String(bytes.length), maxBytes: String(maxRequestBytes) },
      });
    }
    try {
      return decodeMessage(method.input, bytes);
    } catch (cause) {
      throw new PaystreamError('INVALID_ARGUMENT', `The request is no ${method.input.typeName}: ${PaystreamError.from(cause).message}.`, {
        reason: 'REQUEST_MALFORMED',
        cause,
      });
    }
  };
  const encode = (method: DescMethod, message: RpcResponse): Buffer => {
    const bytes = encodeMessage(method.output, create(method.output, message));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
  const unary = (path: string, method: DescMethod, serve: UnaryReading): handleUnaryCall<Buffer, Buffer> => {
    return (grpcCall, callback) => {
      const call = callOf(path, grpcCall, clock);
      const fail = (thrown: unknown): void => {
        if (call.ended) {
          lateErrors(report, call)(thrown);
          return;
        }
        call.end();
        callback(serviceErrorOf(report(thrown, call)));
      };
      const succeed = (message: RpcResponse): void => {
        if (call.ended) return;
        let bytes: Buffer;
        try {
          bytes = encode(method, message);
        } catch (thrown) {
          fail(thrown);
          return;
        }
        call.end();
        inItsTurn(() => callback(null, bytes));
      };
      call.onAbort(fail);
      try {
        serve(() => decode(method, grpcCall.request), call).then(succeed, fail);
      } catch (thrown) {
        fail(thrown);
      }
    };
  };

  const stream = (path: string, method: DescMethod, serve: StreamReading): handleServerStreamingCall<Buffer, Buffer> => {
    const pump = async (grpcCall: ServerWritableStream<Buffer, Buffer>, call: ServerCall): Promise<void> => {
      const source = serve(() => decode(method, grpcCall.request), call);
      const items = itemsUntilAbort(call, source, lateErrors(report, call));
      for await (const item of items) {
        if (!grpcCall.write(encode(method, item))) await once(grpcCall, 'drain', { signal: call.signal });
      }
    };
    return (grpcCall) => {
      const call = callOf(path, grpcCall, clock);
      pump(grpcCall, call).then(
        () => {
          call.end();
          grpcCall.end();
        },
        (thrown: unknown) => {
          call.end();
          // Of a call that the client gave up nobody reads the end.
          if (!grpcCall.cancelled) grpcCall.emit('error', serviceErrorOf(report(call.reason ?? thrown, call)));
        },
      );
    };
  };

  const definition: Record<string, MethodDefinition<Buffer, Buffer>> = {};
  const handlers: Record<string, UntypedHandleCall> = {};
  for (const entry of methodsOf(service)) {
    const { method, path } = entry;
    handlers[method.name] = entry.kind === 'stream' ? stream(path, method, entry.serve) : unary(path, method, entry.serve);
    // Bytes go through grpc-js untouched: what it cannot read itself it answers with INTERNAL.
    definition[method.name] = {
      path,
      requestStream: false,
      responseStream: entry.kind === 'stream',
      requestSerialize: asItIs,
      requestDeserialize: asItIs,
      responseSerialize: asItIs,
      responseDeserialize: asItIs,
    };
  }
  server.addService(definition as ServiceDefinition, handlers);
}
