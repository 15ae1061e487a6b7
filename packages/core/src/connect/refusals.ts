import { Code, type ConnectRouter, createContextKey, createContextValues } from '@connectrpc/connect';
import { createAsyncIterable, encodeEnvelope, readAllBytes, type UniversalHandlerFn } from '@connectrpc/connect/protocol';
import { codeFromString } from '@connectrpc/connect/protocol-connect';
import { PaystreamError } from '../errors/paystream-error.ts';
import { errorCodeOfGrpc } from '../rpc/codes.ts';
import { requestTooLarge } from '../rpc/outcome.ts';
import { wellFormedBody } from './well-formed.ts';

// Connect refuses some requests before a handler sees them: what does not parse (as INTERNAL, if binary), what is too
// large, what is compressed in an unknown way. It does so without details and offers no hook. So the answer to a request
// that no handler saw is read, and the handler is called with an empty request: it throws the error that it is given where
// it would read the request, and so the call is limited, authenticated, measured and answered as every other.

type Answer = Awaited<ReturnType<UniversalHandlerFn>>;

/** Set by a handler, to say that the request was a good one. */
export const seenKey: ReturnType<typeof createContextKey<{ seen: boolean }>> = createContextKey({ seen: false });

/** What is wrong with a request in whose place a handler got an empty one, and the headers that it came with. */
interface Refused {
  readonly error: PaystreamError;
  readonly header: Headers;
}

/** Set where a handler is not to read the request that it is given. */
export const refusedKey: ReturnType<typeof createContextKey<Refused | undefined>> = createContextKey<Refused | undefined>(undefined);

const answerLimit = 65_536;
const trailerFlag = 0x80;
const endStreamFlag = 0x02;

interface Refusal {
  readonly code: number;
  readonly message: string;
}

function refusalFromJson(json: string): Refusal | undefined {
  const parsed = JSON.parse(json) as { code?: string; message?: string; error?: { code?: string; message?: string } };
  const { code, message = '' } = parsed.error ?? parsed;
  return code === undefined ? undefined : { code: codeFromString(code) ?? Code.Internal, message };
}

function refusalFromHeaders(headers: Headers | undefined): Refusal | undefined {
  const status = headers?.get('grpc-status');
  if (status === undefined || status === null || status === '0') return undefined;
  return { code: Number(status), message: decodeURIComponent(headers?.get('grpc-message') ?? '') };
}

function refusalOf(answer: Answer, body: Uint8Array): Refusal | undefined {
  const fromHeaders = refusalFromHeaders(answer.trailer) ?? refusalFromHeaders(answer.header);
  if (fromHeaders !== undefined || body.length === 0) return fromHeaders;
  const text = (from: number): string => new TextDecoder().decode(body.subarray(from));
  const type = answer.header?.get('content-type') ?? '';
  if (type === 'application/json') return answer.status === 200 ? undefined : refusalFromJson(text(0));
  if (body[0] === endStreamFlag) return refusalFromJson(text(5));
  if (body[0] !== trailerFlag) return undefined;
  const lines = text(5)
    .split('\r\n')
    .map((line) => line.split(/: ?(.*)/s, 2) as [string, string?]);
  return refusalFromHeaders(new Headers(lines.filter(([name]) => name !== '').map(([name, value = '']) => [name, value])));
}

function mend({ code, message }: Refusal, maxRequestBytes: number): PaystreamError | undefined {
  switch (code) {
    case Code.Internal:
    case Code.InvalidArgument:
      return new PaystreamError('INVALID_ARGUMENT', `The request cannot be read: ${message}.`, { reason: 'REQUEST_MALFORMED' });
    case Code.ResourceExhausted:
      return new PaystreamError('RESOURCE_EXHAUSTED', `The request is larger than the ${maxRequestBytes} bytes that are taken.`, {
        reason: requestTooLarge,
        retryable: false,
        details: { maxBytes: String(maxRequestBytes) },
      });
    case Code.Unimplemented:
      return new PaystreamError('UNSUPPORTED', `The request cannot be read: ${message}.`, { reason: 'REQUEST_UNSUPPORTED' });
    default:
      // The client went, or its time was up, while it still sent.
      return code === Code.Canceled || code === Code.DeadlineExceeded || code === Code.Aborted
        ? undefined
        : new PaystreamError(errorCodeOfGrpc(code), message, { reason: 'REQUEST_REFUSED' });
  }
}

function emptyBody(contentType: string): Uint8Array {
  const message = contentType.includes('json') ? new TextEncoder().encode('{}') : new Uint8Array();
  const enveloped = !/^application\/(json|proto)\b/i.test(contentType);
  return enveloped ? encodeEnvelope(0, message) : message;
}

/** Puts details on the errors with which the handlers that `add` adds to the router refuse requests on their own. */
export function explainRefusals(router: ConnectRouter, maxRequestBytes: number, add: () => void): void {
  const before = router.handlers.length;
  add();
  const added = router.handlers.splice(before);
  for (const handler of added) {
    const explained: UniversalHandlerFn = async (request) => {
      const mark = { seen: false };
      const contextValues = (request.contextValues ?? createContextValues()).set(seenKey, mark);
      const answer = await handler({ ...request, body: wellFormedBody(request), contextValues });
      if (mark.seen) return answer;
      const body = answer.body === undefined ? new Uint8Array() : await readAllBytes(answer.body, answerLimit);
      const refusal = refusalOf(answer, body);
      const error = refusal === undefined ? undefined : mend(refusal, maxRequestBytes);
      if (error === undefined) return { ...answer, ...(answer.body === undefined ? {} : { body: createAsyncIterable([body]) }) };
      const contentType = request.header.get('content-type') ?? 'application/json';
      return handler({
        httpVersion: request.httpVersion,
        url: request.url,
        method: 'POST',
        header: new Headers({ 'content-type': contentType }),
        body: createAsyncIterable([emptyBody(contentType)]),
        signal: request.signal,
        contextValues: contextValues.set(seenKey, { seen: false }).set(refusedKey, { error, header: request.header }),
      });
    };
    router.handlers.push(Object.assign(explained, handler));
  }
}
