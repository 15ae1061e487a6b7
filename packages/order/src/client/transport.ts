import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, MessageShape } from '@bufbuild/protobuf';
import { PaystreamError } from '@paystream/core';

/** What may be said of one try of a call. */
export interface TransportCall {
  readonly signal: AbortSignal | undefined;
  /** The try's deadline, in milliseconds from now; `undefined` for none. */
  readonly timeoutMs: number | undefined;
}

/** Makes calls over one protocol. Throws `PaystreamError`s. */
export interface ClientTransport {
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    call: TransportCall,
  ): Promise<MessageShape<O>>;
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    call: TransportCall,
  ): AsyncIterable<MessageShape<O>>;
  close(): void;
}

/** Where and as whom a transport calls. */
export interface TransportOptions {
  readonly baseUrl: URL;
  readonly apiKey: string | undefined;
}

/** Loads an optional package. Throws `FAILED_PRECONDITION` / `PACKAGE_MISSING`, naming it, if it is not installed. */
export async function loadDriver<T>(packages: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new PaystreamError('FAILED_PRECONDITION', `the order client needs packages that are not installed: npm install ${packages}`, {
      reason: 'PACKAGE_MISSING',
      details: { packages },
      cause,
    });
  }
}
