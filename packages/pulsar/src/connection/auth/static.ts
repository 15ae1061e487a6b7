import { PulsarError } from '../../errors/pulsar-error.ts';
import type { Authentication } from './port.ts';

/** No credentials: what a client uses that is given none. */
export const noAuthentication: Authentication = { method: 'none', credentials: () => new Uint8Array() };

/**
 * A JSON Web Token: the text, or a function that gives one. The function is called for every connection, and again when the
 * broker says that the token has expired; then it must give a fresh one.
 *
 * @example
 * ```ts
 * createPulsarClient({ serviceUrl, authentication: token(() => readFile('/var/run/token', 'utf8')) });
 * ```
 */
export function token(source: string | (() => string | Promise<string>)): Authentication {
  const read = async (): Promise<string> => {
    const text = (typeof source === 'string' ? source : await source()).trim();
    if (text === '') throw new PulsarError('AUTHENTICATION', 'the token is empty');
    return text;
  };
  return {
    method: 'token',
    credentials: async () => Buffer.from(await read()),
    headers: async () => ({ authorization: `Bearer ${await read()}` }),
  };
}

/** A user's name and password. Throws `INVALID_ARGUMENT` for a name with a colon. */
export function basic(options: { readonly username: string; readonly password: string }): Authentication {
  const { username, password } = options;
  if (username.includes(':')) throw new PulsarError('INVALID_ARGUMENT', `"${username}" is no user name: it has a colon`);
  const bytes = Buffer.from(`${username}:${password}`);
  return {
    method: 'basic',
    credentials: () => bytes,
    headers: () => ({ authorization: `Basic ${bytes.toString('base64')}` }),
  };
}

/** Who the client's certificate says: `tls.certificate` and `tls.key` of the client's options. */
export function clientCertificate(): Authentication {
  return { method: 'tls', credentials: () => new Uint8Array() };
}
