// The brokers that tests ask for by name.
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../workspace.ts';
import { type PulsarBroker, type PulsarOptions, type PulsarPorts, startPulsar } from './broker.ts';
import { makeCertificates } from './certificates.ts';

/**
 * - `default`: what `standalone.conf` says: transactions, batch-index acks, delayed delivery, topic policies; shared, so no test
 *   ends it.
 * - `mortal`: the same without transactions; for tests that kill and restart it. A broker that comes back with hundreds of topics
 *   and transactions reads the state of all of them first, and may deliver nothing from any topic for half a minute.
 * - `small`: takes messages up to 1 MiB, shows broker entry metadata, and listens by two names, `internal` and `external`.
 * - `secure`: TLS beside plain, client certificates, tokens and passwords, authorization, a look at expiry every second.
 * - `blue`, `green`: clusters by these names, with a look every second whether their topics are to move to another one.
 * - `tidy`: deletes topics without producers and subscriptions, as brokers do by default, but every second.
 */
export type BrokerVariant = 'default' | 'mortal' | 'small' | 'secure' | 'blue' | 'green' | 'tidy';

/** What a test needs to get into a `secure` broker. */
export interface BrokerSecrets {
  /** The key that signs tokens (HS256), base64. */
  readonly tokenKey: string;
  /** A token of `admin`, who may do everything, without end. */
  readonly adminToken: string;
  /** `admin` and this. */
  readonly password: string;
  /** Paths of PEM files. */
  readonly ca: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
}

/** A broker of a variant. */
export interface VariantBroker extends PulsarBroker {
  readonly secrets: BrokerSecrets | undefined;
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JSON Web Token, signed with HS256. */
function signToken(key: Buffer, claims: Readonly<Record<string, unknown>>): string {
  const text = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url(claims)}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

const small = (ports: PulsarPorts): Record<string, string> => ({
  maxMessageSize: String(1024 * 1024),
  brokerEntryMetadataInterceptors:
    'org.apache.pulsar.common.intercept.AppendBrokerTimestampMetadataInterceptor,org.apache.pulsar.common.intercept.AppendIndexMetadataInterceptor',
  exposingBrokerEntryMetadataToClientEnabled: 'true',
  advertisedListeners: `internal:pulsar://127.0.0.1:${ports.broker},external:pulsar://localhost:${ports.broker}`,
  internalListenerName: 'internal',
});

/**
 * Where a cursor stands is stored before an acknowledgement is confirmed: by default at most once a second, and a stop may miss the last.
 * A stop waits a quarter of its time-out for what may still come, five seconds by default.
 */
const mortal: Record<string, string> = {
  transactionCoordinatorEnabled: 'false',
  managedLedgerDefaultMarkDeleteRateLimit: '0',
  managedLedgerCursorPositionFlushSeconds: '1',
  brokerShutdownTimeoutMs: '8000',
};

const movable = (clusterName: string): Record<string, string> => ({
  clusterName,
  clusterMigrationCheckDurationSeconds: '1',
});

const tidy: Record<string, string> = {
  ...mortal,
  brokerDeleteInactiveTopicsEnabled: 'true',
  brokerDeleteInactiveTopicsFrequencySeconds: '1',
  brokerDeleteInactiveTopicsMaxInactiveDurationSeconds: '1',
};

async function startSecure(options: PulsarOptions): Promise<VariantBroker> {
  const folder = await mkdtemp(join(tmpdir(), 'paystream-pulsar-secrets-'));
  const certificates = await makeCertificates(folder);
  const key = randomBytes(32);
  const password = randomBytes(12).toString('base64url');
  const adminToken = signToken(key, { sub: 'admin' });
  const hashed = await run('openssl', ['passwd', '-apr1', password]);
  if (hashed.code !== 0) throw new Error(`openssl passwd failed:\n${hashed.output}`);
  const passwords = join(folder, 'passwords');
  await writeFile(passwords, `admin:${hashed.stdout.trim()}\n`);
  const provider = (name: string): string => `org.apache.pulsar.broker.authentication.AuthenticationProvider${name}`;
  const broker = await startPulsar({
    ...options,
    tls: { certificate: certificates.serverCertificate, key: certificates.serverKey, ca: certificates.ca },
    adminHeaders: { authorization: `Bearer ${adminToken}` },
    config: {
      authenticationEnabled: 'true',
      authorizationEnabled: 'true',
      authenticationProviders: [provider('Token'), provider('Basic'), provider('Tls')].join(','),
      authenticationRefreshCheckSeconds: '1',
      tokenSecretKey: `data:;base64,${key.toString('base64')}`,
      basicAuthConf: passwords,
      superUserRoles: 'admin',
      brokerClientAuthenticationPlugin: 'org.apache.pulsar.client.impl.auth.AuthenticationToken',
      brokerClientAuthenticationParameters: `token:${adminToken}`,
    },
  });
  const { ca, clientCertificate, clientKey } = certificates;
  const secrets: BrokerSecrets = { tokenKey: key.toString('base64'), adminToken, password, ca, clientCertificate, clientKey };
  const stop = broker.stop.bind(broker);
  return Object.assign(broker, {
    secrets,
    stop: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  });
}

/** Starts a broker of a variant. */
export async function startVariant(variant: BrokerVariant, options: PulsarOptions = {}): Promise<VariantBroker> {
  const quick: PulsarOptions = { quickStart: true, ...options };
  if (variant === 'secure') return startSecure(quick);
  const configs = {
    default: {},
    mortal,
    small,
    blue: movable('blue'),
    green: movable('green'),
    tidy,
  };
  const broker = await startPulsar({ config: configs[variant], ...quick });
  return Object.assign(broker, { secrets: undefined });
}
