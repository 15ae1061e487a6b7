import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { BaseCommand_Type as Type } from '../../gen/pulsar/wire_pb.ts';
import { closeAfterEach, fakeBroker, seek, watchedContext } from '../test-support.ts';
import { oauth2, oauth2KeyFile } from './oauth2.ts';
import type { Authentication } from './port.ts';
import { basic, clientCertificate, token } from './static.ts';

closeAfterEach();
const signal = new AbortController().signal;

async function text(authentication: Authentication, reason: 'connect' | 'refresh' = 'connect'): Promise<string> {
  return Buffer.from(await authentication.credentials({ reason, signal })).toString();
}

it('sends what each method wants', async () => {
  expect(await text(token(' abc\n'))).toBe('abc');
  expect(await text(token(async () => 'def'))).toBe('def');
  expect(await token('abc').headers?.()).toEqual({ authorization: 'Bearer abc' });
  expect(await text(basic({ username: 'ann', password: 'a:b' }))).toBe('ann:a:b');
  expect(clientCertificate().method).toBe('tls');
  await expect(text(token(''))).rejects.toMatchObject({ code: 'AUTHENTICATION' });
  expect(() => basic({ username: 'a:b', password: '' })).toThrow('it has a colon');
});

it('9.1.6 gives a fresh token when the broker asks, on the same connection', async () => {
  const broker = await fakeBroker();
  const tokens = ['first', 'second'];
  const { context, nextEvent } = watchedContext(broker.serviceUrl, { authentication: token(() => tokens.shift() ?? '') });
  const { connection } = await context.pool.connectToService();
  broker.sessions[0]?.send({
    type: Type.AUTH_CHALLENGE,
    authChallenge: { challenge: { authMethodName: 'token', authData: Buffer.from('PulsarAuthRefresh') }, protocolVersion: 21 },
  });
  const { authResponse } = await broker.waitFor(({ type }) => type === Type.AUTH_RESPONSE);
  expect(authResponse).toMatchObject({ protocolVersion: 21, response: { authMethodName: 'token' } });
  expect(Buffer.from(authResponse?.response?.authData ?? []).toString()).toBe('second');
  await nextEvent('credentials-refreshed');
  await seek(connection);
});

it('9.1.7 closes the connection when no fresh token can be had, and the next asks again', async () => {
  const broker = await fakeBroker();
  let calls = 0;
  const authentication = token(() => {
    calls += 1;
    if (calls === 2) throw new Error('the vault is sealed');
    return `token ${calls}`;
  });
  const { context, nextEvent } = watchedContext(broker.serviceUrl, { authentication, backoff: { initialMs: 5, maxMs: 10 } });
  await context.pool.connectToService();
  const challenge = { challenge: { authMethodName: 'token', authData: Buffer.from('PulsarAuthRefresh') } };
  broker.sessions[0]?.send({ type: Type.AUTH_CHALLENGE, authChallenge: challenge });
  expect(await nextEvent('closed')).toMatchObject({ error: { code: 'AUTHENTICATION', retryable: true } });
  await context.lookup.topic('t');
  const { connect } = await broker.waitFor(({ type }, { number }) => number === 1 && type === Type.CONNECT);
  expect(Buffer.from(connect?.authData ?? []).toString()).toBe('token 3');
});

it('goes through the steps of a method that has several', async () => {
  const broker = await fakeBroker(({ type, authResponse }, session) => {
    const challenge = (authData: string): void =>
      session.send({
        type: Type.AUTH_CHALLENGE,
        authChallenge: { challenge: { authMethodName: 'steps', authData: Buffer.from(authData) } },
      });
    if (type === Type.CONNECT) challenge('one');
    else if (type === Type.AUTH_RESPONSE && Buffer.from(authResponse?.response?.authData ?? []).toString() === 're: one') challenge('two');
    else if (type === Type.AUTH_RESPONSE) session.send({ type: Type.CONNECTED, connected: { serverVersion: 'x', protocolVersion: 21 } });
    else return false;
    return true;
  });
  const steps: Authentication = {
    method: 'steps',
    credentials: ({ challenge }) => Buffer.from(challenge === undefined ? 'hello' : `re: ${Buffer.from(challenge)}`),
  };
  await seek((await watchedContext(broker.serviceUrl, { authentication: steps }).context.pool.connectToService()).connection);
  const said = broker.sessions[0]?.received.flatMap(({ authResponse }) => authResponse?.response?.authData ?? []) ?? [];
  expect(said.map((bytes) => Buffer.from(bytes).toString())).toEqual(['re: one', 're: two']);
});

const issuers: ReturnType<typeof createServer>[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const issuer of issuers.splice(0)) {
    issuer.closeAllConnections();
    await new Promise((resolve) => issuer.close(resolve));
  }
});

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** An issuer that gives numbered tokens. */
async function issuer(expiresIn: number | undefined): Promise<{ readonly url: string; readonly asked: URLSearchParams[] }> {
  const asked: URLSearchParams[] = [];
  const server = createServer((request, response) => {
    readBody(request).then((body) => {
      if (request.url?.endsWith('/.well-known/openid-configuration')) {
        response.end(JSON.stringify({ token_endpoint: `http://${request.headers.host}/token` }));
        return;
      }
      asked.push(new URLSearchParams(body));
      response.end(JSON.stringify({ access_token: `token ${asked.length}`, expires_in: expiresIn }));
    }, expect.unreachable);
  });
  issuers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

it('9.1.10 fetches an OAuth2 token once, keeps it for nine tenths of its life, and then fetches another', async () => {
  const { url, asked } = await issuer(100);
  const now = vi.spyOn(performance, 'now').mockReturnValue(0);
  const credentials = oauth2({ issuerUrl: `${url}/`, clientId: 'me', clientSecret: 's', audience: 'pulsar', scope: 'all' });
  expect(credentials.method).toBe('token');
  expect(await Promise.all([text(credentials), text(credentials)])).toEqual(['token 1', 'token 1']);
  now.mockReturnValue(89_999);
  expect(await text(credentials)).toBe('token 1');
  expect(await credentials.headers?.()).toEqual({ authorization: 'Bearer token 1' });
  now.mockReturnValue(90_000);
  expect(await text(credentials)).toBe('token 2');
  expect(Object.fromEntries(asked[0] ?? [])).toEqual({
    grant_type: 'client_credentials',
    client_id: 'me',
    client_secret: 's',
    audience: 'pulsar',
    scope: 'all',
  });
});

it('9.1.10 never gives a kept OAuth2 token to a broker that says it has expired', async () => {
  const { url } = await issuer(undefined);
  const credentials = oauth2({ issuerUrl: url, clientId: 'me', clientSecret: 's' });
  expect(await text(credentials)).toBe('token 1');
  expect(await text(credentials, 'refresh')).toBe('token 2');
  expect(await text(credentials)).toBe('token 2');
});

it('says what is wrong with an issuer', async () => {
  const server = createServer((_, response) => response.writeHead(403).end('{"error":"invalid_client"}'));
  issuers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuerUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const refused = oauth2({ issuerUrl, clientId: 'me', clientSecret: 's' });
  await expect(text(refused)).rejects.toMatchObject({
    code: 'AUTHENTICATION',
    retryable: false,
    message: expect.stringContaining('invalid_client'),
  });
  const nowhere = oauth2({ issuerUrl: 'http://127.0.0.1:1', clientId: 'me', clientSecret: 's' });
  await expect(text(nowhere)).rejects.toMatchObject({ code: 'AUTHENTICATION', retryable: true });
});

it('reads the key file of the Java client', () => {
  const file = '{"type":"client_credentials","client_id":"a","client_secret":"b","issuer_url":"https://i"}';
  expect(oauth2KeyFile(file)).toEqual({ clientId: 'a', clientSecret: 'b', issuerUrl: 'https://i' });
  expect(() => oauth2KeyFile('{}')).toThrow('no client_id');
  expect(() => oauth2KeyFile('x')).toThrow('no JSON');
});
