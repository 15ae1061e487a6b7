import { errorFromRpc } from '@paystream/core/rpc';
import { type ClientTransport, loadDriver, type TransportOptions } from './transport.ts';

async function* once<T>(value: T): AsyncIterable<T> {
  yield value;
}

/** Calls over HTTP/1.1 with `@connectrpc/connect-node`: passes every proxy. */
export async function createConnectTransport({ baseUrl, apiKey }: TransportOptions): Promise<ClientTransport> {
  const driver = await loadDriver('@connectrpc/connect @connectrpc/connect-node', () => import('@connectrpc/connect-node'));
  const transport = driver.createConnectTransport({ baseUrl: baseUrl.href, httpVersion: '1.1', useBinaryFormat: true });
  const header = apiKey === undefined ? undefined : { authorization: `Bearer ${apiKey}` };
  return {
    unary: async (method, request, { signal, timeoutMs }) => {
      try {
        return (await transport.unary(method, signal, timeoutMs, header, request)).message;
      } catch (error) {
        throw errorFromRpc(error);
      }
    },
    stream: async function* (method, request, { signal, timeoutMs }) {
      const left = new AbortController();
      const ended = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
      try {
        yield* (await transport.stream(method, ended, timeoutMs, header, once(request))).message;
      } catch (error) {
        throw errorFromRpc(error);
      } finally {
        left.abort();
      }
    },
    close: () => undefined,
  };
}
