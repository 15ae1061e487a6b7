// Certificates for tests, made anew each time: an authority, a server's and a client's certificate.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../workspace.ts';

/** Paths of PEM files. */
export interface TestCertificates {
  readonly ca: string;
  /** For `localhost`, not for 127.0.0.1: so a check of the host name has something to refuse. */
  readonly serverCertificate: string;
  readonly serverKey: string;
  /** Common name `admin`. */
  readonly clientCertificate: string;
  readonly clientKey: string;
}

async function openssl(folder: string, ...args: readonly string[]): Promise<void> {
  const { code, output } = await run('openssl', args, { cwd: folder });
  if (code !== 0) throw new Error(`openssl ${args[0]} failed:\n${output}`);
}

async function issue(folder: string, name: string, subject: string, extensions: string): Promise<void> {
  await writeFile(join(folder, `${name}.ext`), extensions);
  const request = ['-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key.pem`, '-subj', subject, '-out', `${name}.csr`];
  await openssl(folder, 'req', ...request);
  const signed = ['-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key.pem', '-CAcreateserial', '-days', '2'];
  await openssl(folder, 'x509', '-req', ...signed, '-extfile', `${name}.ext`, '-out', `${name}.pem`);
}

/** Makes certificates, good for two days, in `folder`. Rejects if there is no `openssl` command. */
export async function makeCertificates(folder: string): Promise<TestCertificates> {
  await mkdir(folder, { recursive: true });
  const authority = ['-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key.pem', '-subj', '/CN=paystream test authority'];
  await openssl(folder, 'req', '-x509', ...authority, '-days', '2', '-out', 'ca.pem');
  await issue(folder, 'server', '/CN=localhost', 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n');
  await issue(folder, 'client', '/CN=admin', 'extendedKeyUsage=clientAuth\n');
  return {
    ca: join(folder, 'ca.pem'),
    serverCertificate: join(folder, 'server.pem'),
    serverKey: join(folder, 'server.key.pem'),
    clientCertificate: join(folder, 'client.pem'),
    clientKey: join(folder, 'client.key.pem'),
  };
}
