import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { createContext, type OwnedContext } from '../../client/create-context.ts';
import type { PulsarClientOptions } from '../../client/options.ts';
import type { PulsarEvent } from '../../events/events.ts';
import { freshTopic, type RealBroker, realBroker } from '../../testing/test-support.ts';
import { oauth2 } from './oauth2.ts';
import { basic, clientCertificate, token } from './static.ts';

let broker: RealBroker;
let secrets: NonNullable<RealBroker['secrets']>;
beforeAll(async () => {
  broker = await realBroker('secure');
  if (broker.secrets === undefined) throw new Error('the secure broker has no secrets');
  secrets = broker.secrets;
});

const opened: OwnedContext[] = [];
afterEach(async () => {
  for (const owned of opened.splice(0)) await owned.close();
});

function open(options: Partial<PulsarClientOptions>): OwnedContext['context'] & { readonly events: PulsarEvent[] } {
  const events: PulsarEvent[] = [];
  const owned = createContext({ serviceUrl: broker.serviceUrl, onEvent: (event) => events.push(event), ...options });
  opened.push(owned);
  return { ...owned.context, events };
}

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token that is good for so many seconds. */
function shortToken(seconds: number, subject = 'admin'): string {
  const expiry = Math.floor(Date.now() / 1_000) + seconds;
  const body = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url({ sub: subject, exp: expiry })}`;
  return `${body}.${createHmac('sha256', Buffer.from(secrets.tokenKey, 'base64')).update(body).digest('base64url')}`;
}

it('9.1.5 gets in with a token', async () => {
  await open({ authentication: token(secrets.adminToken) }).lookup.topic(freshTopic());
});

it('9.1.5 does not try a wrong token for ever', async () => {
  const { lookup, events } = open({ authentication: token('not.a.token') });
  const started = performance.now();
  await expect(lookup.topic(freshTopic())).rejects.toMatchObject({
    code: 'AUTHENTICATION',
    serverError: 'AuthenticationError',
    retryable: false,
  });
  expect(performance.now() - started).toBeLessThan(5_000);
  expect(events.filter(({ type }) => type === 'retry')).toEqual([]);
  await expect(open({}).lookup.topic(freshTopic())).rejects.toMatchObject({ code: 'AUTHENTICATION' });
});

it('tells a stranger that it may not', async () => {
  const { lookup } = open({ authentication: token(shortToken(600, 'stranger')) });
  await expect(lookup.topic(freshTopic())).rejects.toMatchObject({ code: 'AUTHORIZATION', retryable: false });
});

it('9.1.6 stays connected while its tokens expire', { timeout: 60_000 }, async () => {
  let given = 0;
  const { pool, lookup, events } = open({
    authentication: token(() => {
      given += 1;
      return shortToken(2);
    }),
  });
  const { connection } = await pool.connectToService();
  for (let time = 0; time < 12; time += 1) {
    await lookup.topic(freshTopic());
    await delay(500);
  }
  expect(connection.closed).toBe(false);
  expect(given).toBeGreaterThan(2);
  expect(events.filter(({ type }) => type === 'credentials-refreshed').length).toBe(given - 1);
});

it('9.1.10 gets in with what an OAuth2 issuer gives, and asks it again when that expires', { timeout: 60_000 }, async () => {
  let given = 0;
  const issuer = createServer((request, response) => {
    if (request.url !== '/token') return void response.end(JSON.stringify({ token_endpoint: `http://${request.headers.host}/token` }));
    given += 1;
    response.end(JSON.stringify({ access_token: shortToken(2), expires_in: 2 }));
  });
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = issuer.address() as AddressInfo;
    const authentication = oauth2({ issuerUrl: `http://127.0.0.1:${port}`, clientId: 'me', clientSecret: 'secret' });
    const { lookup, events } = open({ authentication });
    await lookup.topic(freshTopic());
    expect(given).toBe(1);
    await expect.poll(() => events.some(({ type }) => type === 'credentials-refreshed'), { timeout: 20_000 }).toBe(true);
    await lookup.topic(freshTopic());
    expect(given).toBeGreaterThan(1);
    expect(events.some(({ type }) => type === 'closed')).toBe(false);
  } finally {
    issuer.closeAllConnections();
    issuer.close();
  }
});

it('9.1.7 loses the connection when no fresh token comes, and returns when one does', { timeout: 60_000 }, async () => {
  let sealed = false;
  const { pool, lookup, events } = open({
    authentication: token(() => {
      if (sealed) throw new Error('the vault is sealed');
      return shortToken(2);
    }),
  });
  const { connection } = await pool.connectToService();
  sealed = true;
  await expect.poll(() => connection.closed, { timeout: 20_000 }).toBe(true);
  const back = lookup.topic(freshTopic());
  await expect.poll(() => events.some(({ type }) => type === 'retry')).toBe(true);
  sealed = false;
  await back;
});

it('9.1.8 gets in with a password, and not with a wrong one', async () => {
  await open({ authentication: basic({ username: 'admin', password: secrets.password }) }).lookup.topic(freshTopic());
  const wrong = open({ authentication: basic({ username: 'admin', password: 'wrong' }) });
  await expect(wrong.lookup.topic(freshTopic())).rejects.toMatchObject({ code: 'AUTHENTICATION', retryable: false });
});

it('9.1.9 gets in with a certificate, over TLS, to the host that the broker is', async () => {
  const { pool, lookup } = open({
    serviceUrl: broker.serviceUrlTls ?? '',
    authentication: clientCertificate(),
    tls: {
      ca: readFileSync(secrets.ca),
      certificate: readFileSync(secrets.clientCertificate),
      key: readFileSync(secrets.clientKey),
      // The broker names itself by its address in look-ups, which its certificate is not for.
      serverName: 'localhost',
    },
  });
  const connection = await pool.connect(await lookup.topic(freshTopic()), 0);
  expect(connection.closed).toBe(false);
});

it('9.1.9 refuses a broker whose certificate is for another host, or of nobody it trusts', async () => {
  const authentication = token(secrets.adminToken);
  const byAddress = (broker.serviceUrlTls ?? '').replace('localhost', '127.0.0.1');
  const tls = { ca: readFileSync(secrets.ca) };
  await expect(open({ serviceUrl: byAddress, authentication, tls }).pool.connectToService()).rejects.toMatchObject({
    code: 'NOT_CONNECTED',
    message: expect.stringContaining('does not match certificate'),
  });
  await expect(open({ serviceUrl: broker.serviceUrlTls ?? '', authentication }).pool.connectToService()).rejects.toMatchObject({
    code: 'NOT_CONNECTED',
    message: expect.stringMatching(/certificate/),
  });
  await open({ serviceUrl: byAddress, authentication, tls: { ...tls, verifyHostname: false } }).pool.connectToService();
});
