import { Code, ConnectError } from '@connectrpc/connect';
import type { UniversalServerRequest } from '@connectrpc/connect/protocol';

type Body = UniversalServerRequest['body'];

async function* checked(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const check = (chunk?: Uint8Array): void => {
    try {
      decoder.decode(chunk, { stream: chunk !== undefined });
    } catch (cause) {
      throw new ConnectError('it is not UTF-8', Code.InvalidArgument, undefined, undefined, cause);
    }
  };
  for await (const chunk of body) {
    check(chunk);
    yield chunk;
  }
  check();
}

/**
 * The body of a request, which fails where it is JSON and no UTF-8. Connect puts replacement characters in the place of
 * bytes that it cannot read: another name, or another id, than its client has sent would be stored. What is packed cannot be
 * looked at here.
 */
export function wellFormedBody({ header, body }: UniversalServerRequest): Body {
  const text = /^application\/json\b/i.test(header.get('content-type') ?? '');
  const encoding = header.get('content-encoding') ?? 'identity';
  return text && encoding === 'identity' && Symbol.asyncIterator in Object(body) ? checked(body as AsyncIterable<Uint8Array>) : body;
}
