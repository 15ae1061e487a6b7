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

/** A method and its handler. */
export type RpcMethod = {
  readonly method: DescMethod;
  /** `/paystream.order.v1.OrderService/CreateOrder`. */
  readonly path: string;
} & ({ readonly kind: 'unary'; readonly run: UnaryHandler } | { readonly kind: 'stream'; readonly run: StreamHandler });

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
    return { method, path, kind: method.methodKind === 'unary' ? 'unary' : 'stream', run };
  });
}
