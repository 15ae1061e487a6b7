import type { DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { RpcContext, RpcService } from './port.ts';

/** A request, of whichever type. */
export type RpcRequest = MessageShape<DescMethod['input']>;
/** A response, of whichever type. */
export type RpcResponse = MessageInitShape<DescMethod['output']>;
/** A handler that answers once. */
export type UnaryHandler = (request: RpcRequest, context: RpcContext) => Promise<RpcResponse>;
/** A handler that answers with a stream. */
export type StreamHandler = (request: RpcRequest, context: RpcContext) => AsyncIterable<RpcResponse>;

/** Gives the request of a call; throws what is wrong with what came if it is none. */
export type RequestReader = () => RpcRequest;
/** A handler that reads its request itself. Gives or throws what the handler does. */
type Reading<R> = (read: RequestReader, context: RpcContext) => R;
/** {@link UnaryHandler}, before its request is read. */
export type UnaryReading = Reading<ReturnType<UnaryHandler>>;
/** {@link StreamHandler}, before its request is read. */
export type StreamReading = Reading<ReturnType<StreamHandler>>;

/** A method and its handler: `run` takes a request that was read, `serve` one that is still to be. */
export type RpcMethod = {
  readonly method: DescMethod;
  /** `/paystream.order.v1.OrderService/CreateOrder`. */
  readonly path: string;
} & (
  | { readonly kind: 'unary'; readonly run: UnaryHandler; readonly serve: UnaryReading }
  | { readonly kind: 'stream'; readonly run: StreamHandler; readonly serve: StreamReading }
);

const readers = new WeakMap<object, Reading<unknown>>();

/**
 * Makes a handler of one that reads its request itself. Transports find that form by {@link methodsOf}, so that it sees
 * calls too whose request is none.
 */
export function handlerThatReads<R>(serve: Reading<R>): (request: RpcRequest, context: RpcContext) => R {
  const handler = (request: RpcRequest, context: RpcContext): R => serve(() => request, context);
  readers.set(handler, serve);
  return handler;
}

/**
 * The methods of a service with their handlers.
 *
 * @throws `INVALID_ARGUMENT`: `RPC_METHOD_MISSING` for a method without a handler, `RPC_METHOD_KIND` for one that streams from the client.
 */
export function methodsOf({ definition, implementation }: RpcService): RpcMethod[] {
  return definition.methods.map((method) => {
    const path = `/${definition.typeName}/${method.name}`;
    const handler: unknown = implementation[method.localName];
    if (typeof handler !== 'function') {
      throw new PaystreamError('INVALID_ARGUMENT', `${path} has no handler: give the implementation a function "${method.localName}".`, {
        reason: 'RPC_METHOD_MISSING',
        details: { method: path },
      });
    }
    if (method.methodKind !== 'unary' && method.methodKind !== 'server_streaming') {
      throw new PaystreamError('INVALID_ARGUMENT', `${path} streams from the client, which is not served.`, {
        reason: 'RPC_METHOD_KIND',
        details: { method: path, kind: method.methodKind },
      });
    }
    const run = handler.bind(implementation);
    const serve = readers.get(handler) ?? ((read: RequestReader, context: RpcContext): unknown => run(read(), context));
    return { method, path, kind: method.methodKind === 'unary' ? 'unary' : 'stream', run, serve } as RpcMethod;
  });
}
