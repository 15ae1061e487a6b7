import { systemClock } from '@paystream/core';
import { token } from '@paystream/pulsar';
import { createPulsarAdmin } from '@paystream/pulsar/admin';
import { expect, inject } from 'vitest';
import { createStackProcess, type StackProcess } from './stack-process.ts';

/** A server that the tests of a run share. */
async function askFor<T>(manager: string, path: string): Promise<T> {
  const answer = await fetch(`${(inject as (key: string) => string)(manager)}/${path}`);
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as T;
}

/** A namespace of its own on the broker of the run. */
export interface TestNamespace {
  readonly serviceUrl: string;
  readonly namespace: string;
  readonly adminUrl: string;
  /** Its topics, as they are named without it. */
  topics(): Promise<readonly string[]>;
  /** Ends the broker at once; `restartBroker` brings it back with its data. Not the one that tests share. */
  killBroker(): Promise<void>;
  /** Ends the broker in good order if it runs, and starts it again. Not the one that tests share. */
  restartBroker(): Promise<void>;
}

/** Makes a namespace on a real broker: on the one that tests share, or on the one whose end they may bring about. */
export async function openNamespace(broker: 'default' | 'mortal' = 'default'): Promise<TestNamespace> {
  const { serviceUrl, adminUrl } = await askFor<{ serviceUrl: string; adminUrl: string }>('pulsarBrokers', `${broker}/start`);
  const admin = createPulsarAdmin({ url: adminUrl });
  const namespace = `public/stack-${systemClock.now().toString(36)}`;
  await admin.namespaces.create(namespace);
  return {
    serviceUrl,
    namespace,
    adminUrl,
    topics: () => admin.topics.list(namespace),
    killBroker: () => askFor('pulsarBrokers', `${broker}/kill`),
    restartBroker: () => askFor('pulsarBrokers', `${broker}/restart`),
  };
}

/** A namespace on a broker that takes nobody without a token. */
export interface SecuredNamespace {
  /** Over TLS. */
  readonly serviceUrl: string;
  readonly namespace: string;
  /** Of somebody who may do everything there. */
  readonly token: string;
  /** Path of the PEM file that tells whom to believe. */
  readonly ca: string;
}

/** Makes a namespace on a broker that speaks TLS and asks who one is. */
export async function openSecuredNamespace(): Promise<SecuredNamespace> {
  interface Broker {
    readonly serviceUrlTls: string;
    readonly adminUrl: string;
    readonly secrets: { readonly adminToken: string; readonly ca: string };
  }
  const { serviceUrlTls, adminUrl, secrets } = await askFor<Broker>('pulsarBrokers', 'secure/start');
  const namespace = `public/stack-${systemClock.now().toString(36)}`;
  await createPulsarAdmin({ url: adminUrl, authentication: token(secrets.adminToken) }).namespaces.create(namespace);
  return { serviceUrl: serviceUrlTls, namespace, token: secrets.adminToken, ca: secrets.ca };
}

/** A real database that only this run uses. */
export interface TestMysql {
  readonly url: string;
  /** Ends it at once; `restart` brings it back with its data. */
  kill(): Promise<void>;
  /** Ends it in good order if it runs, and starts it again, on the same data. */
  restart(): Promise<void>;
}

/** The servers that tests run on. */
export type SqlServer = 'mariadb' | 'mysql';

/** Starts the database whose end tests may bring about, or one that says that it is older than what serves. */
export async function openMysql(flavor: SqlServer, variant: 'mortal' | 'old' = 'mortal'): Promise<TestMysql> {
  const ask = <T = void>(action: string): Promise<T> => askFor('sqlServers', `${variant}/${action}?flavor=${flavor}`);
  const { url } = await ask<{ url: string }>('start');
  return { url, kill: () => ask('kill'), restart: () => ask('restart') };
}

/** A database that takes nothing but TLS. */
export interface SecuredMysql {
  readonly url: string;
  /** Path of the PEM file that tells whom to believe. */
  readonly ca: string;
}

/** Starts a database that takes nothing but TLS. */
export async function openSecuredMysql(flavor: SqlServer): Promise<SecuredMysql> {
  const server = await askFor<{ url: string; certificates: { ca: string } }>('sqlServers', `secure/start?flavor=${flavor}`);
  const url = new URL(server.url);
  // The name that its certificate is for.
  url.hostname = 'localhost';
  return { url: url.href, ca: server.certificates.ca };
}

/** The longest of the connect time-outs, and as long again for a start on a machine that is busy. */
const longestRefusalMs = 20_000;

/**
 * Starts the stack, or what else is prepared, with something wrong, and gives what it prints. Fails unless it ends by itself, not
 * much later than the longest connect time-out, with the exit code 1 and one line for people.
 */
export async function refusalOf(
  settings: Readonly<Record<string, string>>,
  prepare: (settings: Readonly<Record<string, string>>) => Promise<StackProcess> = createStackProcess,
): Promise<string> {
  await using stack = await prepare(settings);
  const startedMs = systemClock.now();
  expect(await stack.fail(), stack.output).toBe(1);
  expect(systemClock.now() - startedMs, stack.output).toBeLessThan(longestRefusalMs);
  expect(stack.output).not.toMatch(/\n\s+at /);
  expect(stack.output.trim().split('\n'), stack.output).toHaveLength(1);
  return stack.output;
}
