// The servers that tests ask for by name.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificates, type TestCertificates } from '../pulsar/certificates.ts';
import type { FlavorName } from './flavor.ts';
import { type DatabaseServer, flavors, startDatabase } from './server.ts';

/** A server of a variant. */
export interface VariantServer extends DatabaseServer {
  /** Paths of PEM files; of the variant `secure` only. */
  readonly certificates: TestCertificates | undefined;
}

async function startSecure(flavor: FlavorName): Promise<VariantServer> {
  const folder = await mkdtemp(join(tmpdir(), 'paystream-mysql-secrets-'));
  const certificates = await makeCertificates(folder);
  const { serverCertificate: certificate, serverKey: key, ca } = certificates;
  const server = await startDatabase(flavor, {
    tls: { certificate, key, ca, required: true },
    config: flavors[flavor].withoutSync,
  });
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
 * - `default`: what the server does by itself; shared, so no test ends it.
 * - `mortal`, or `mortal-` and a name: the same; for tests that kill, freeze and restart it. Files that run at the same time
 *   take one each.
 * - `secure`: takes nothing but TLS.
 * - `gbk`: talks in another character set than the client asks for.
 * - `old`: says that it is a version too old to serve; only MariaDB can be told to.
 *
 * None waits for the disk: what is committed survives the end of the server, and nothing here ends the machine.
 */
export async function startVariant(flavor: FlavorName, variant: string): Promise<VariantServer> {
  if (variant === 'secure') return startSecure(flavor);
  const { title, withoutSync, inGbk, asOld } = flavors[flavor];
  if (variant === 'old' && asOld === undefined) throw new Error(`${title} cannot be told to say that it is old`);
  if (!/^(default|gbk|old|mortal(-\w+)?)$/.test(variant)) {
    throw new Error(`there is no server "${variant}": default, gbk, mortal, mortal-*, old, secure`);
  }
  const own = { gbk: inGbk, old: asOld }[variant];
  const config = { ...withoutSync, ...own };
  return Object.assign(await startDatabase(flavor, { config }), { certificates: undefined });
}
