import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { tryItLines } from '../src/try-it.ts';

it('the lines that the README tells people to paste are those that the banner prints', () => {
  const config = readConfig({});
  const lines = tryItLines({
    grpc: `${config.PAYSTREAM_HOST}:${config.PAYSTREAM_GRPC_PORT}`,
    http: `http://${config.PAYSTREAM_HOST}:${config.PAYSTREAM_HTTP_PORT}`,
    keys: false,
  });
  const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8');
  expect(readme).toContain(`\n${lines.curl}\n`);
  expect(readme).toContain(`\n${lines.grpcurl}\n`);
});
