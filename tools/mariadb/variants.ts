// The servers that tests ask for by name.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificates, type TestCertificates } from '../pulsar/certificates.ts';
import { type MariadbServer, startMariadb } from './server.ts';

/** A server of a variant. */
export interface VariantServer extends MariadbServer {
  /** Paths of PEM files; of the variant `secure` only. */
  readonly certificates: TestCertificates | undefined;
}

async function startSecure(): Promise<VariantServer> {
  const folder = await mkdtemp(join(tmpdir(), 'paystream-mariadb-secrets-'));
  const certificates = await makeCertificates(folder);
  const { serverCertificate: certificate, serverKey: key, ca } = certificates;
  const server = await startMariadb({ tls: { certificate, key, ca, required: true } });
  const stop = server.stop.bind(server);
  return Object.assign(server, {
    certificates,
    stop: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  });
}

/**
 * Starts a server of a variant:
 * - `default`: what MariaDB does by itself; shared, so no test ends it.
 * - `mortal`: the same; for tests that kill, freeze and restart it.
 * - `secure`: takes nothing but TLS.
 */
export async function startVariant(variant: string): Promise<VariantServer> {
  if (variant === 'secure') return startSecure();
  if (variant !== 'default' && variant !== 'mortal') throw new Error(`there is no server "${variant}", only default, mortal, secure`);
  return Object.assign(await startMariadb(), { certificates: undefined });
}
