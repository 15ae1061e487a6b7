import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { PaystreamError } from '@paystream/core';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';

const example = parseEnv(readFileSync(join(import.meta.dirname, '../../../.env.example'), 'utf8'));

function faultsOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(environment);
    return [];
  } catch (cause) {
    return PaystreamError.from(cause).violations.map((violation) => `${violation.field} ${violation.description}`);
  }
}

describe('the settings', () => {
  it('are the defaults when .env.example is copied unchanged', () => {
    const { PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: _delays, ...fromExample } = readConfig(example as Record<string, string>);
    expect(fromExample).toEqual(readConfig({}));
  });

  it('are all explained in .env.example', () => {
    const read = new Set(Object.keys(example));
    const { PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: _delays, ...rest } = readConfig({});
    expect(Object.keys(rest).filter((name) => !read.has(name))).toEqual([]);
  });

  it('names every fault in one message, so that a start is not tried once for each', () => {
    const faults = faultsOf({
      PAYSTREAM_GRPC_PORT: 'seventy',
      PAYSTREAM_GATEWAY_MIX: 'approve=1,explode=2',
      PAYSTREAM_PROFILE: 'cloud',
      PAYSTREAM_GRPC_PROT: '1',
    });
    expect(faults).toHaveLength(4);
    expect(faults.join('\n')).toMatch(/PAYSTREAM_GRPC_PORT "seventy"/);
    expect(faults.join('\n')).toMatch(/PAYSTREAM_GRPC_PROT there is no such setting/);
  });

  it('names what does not fit together in that message too, unless a value that is wrong already may be the cause', () => {
    const apart = faultsOf({ PAYSTREAM_HOST: '0.0.0.0', PAYSTREAM_TOPIC_TRANSACTIONS: 'orders', PAYSTREAM_GRPC_PORT: 'seventy' });
    expect(apart).toHaveLength(3);
    expect(apart.join()).toMatch(/PAYSTREAM_GRPC_PORT "seventy".*PAYSTREAM_TOPIC_TRANSACTIONS.*PAYSTREAM_HOST/);
    expect(faultsOf({ PAYSTREAM_HOST: '0.0.0.0', PAYSTREAM_API_KEYS: 'no pair' })).toHaveLength(1);
    expect(faultsOf({ PAYSTREAM_HOST: '0.0.0.0', PAYSTREAM_API_KEYS_FILE: '/nowhere' })).toHaveLength(1);
    expect(faultsOf({ PAYSTREAM_DATABASE: 'mysql', PAYSTREAM_MYSQL_URL: 'elsewhere' })).toHaveLength(1);
  });

  it('says once of each value what would be right, in words', () => {
    const faults = faultsOf({
      PAYSTREAM_HTTP_PORT: '-1.5',
      PAYSTREAM_LOG_LEVEL: 'loud',
      PAYSTREAM_GATEWAY_MIX: 'explode=1',
      PAYSTREAM_GATEWAY_LATENCY_MS: '80-20',
      PAYSTREAM_TOPIC_ORDERS: 'my orders',
      PAYSTREAM_FEE_FIXED_UNITS: '0.3',
      PAYSTREAM_SMTP_FROM: 'nobody',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
      OTEL_TRACES_SAMPLER: 'sometimes',
      OTEL_TRACES_SAMPLER_ARG: '10%',
    });
    expect(faults).toHaveLength(9);
    expect(faults.join('\n')).not.toMatch(/Invalid|NaN|received|undefined/);
    expect(faults).toContain('OTEL_TRACES_SAMPLER_ARG "10%": must be a share of the traces: a number from 0 to 1, such as 0.1');
  });

  it('leaves alone what a machine says of traces for all that runs on it, where none are sent', () => {
    expect(faultsOf({ OTEL_TRACES_SAMPLER: 'xray', OTEL_TRACES_SAMPLER_ARG: 'endpoint=localhost:2000' })).toEqual([]);
    const sent = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_TRACES_SAMPLER_ARG: ' ' };
    expect(faultsOf(sent)).toEqual(['OTEL_TRACES_SAMPLER_ARG " ": must be a share of the traces: a number from 0 to 1, such as 0.1']);
  });

  it('refuses times that no timer can wait and no order can show, which would fail with each order', () => {
    const tooLong = {
      PAYSTREAM_MYSQL_STATEMENT_TIMEOUT_MS: '2147483648',
      PAYSTREAM_SHUTDOWN_TIMEOUT_MS: '86400001',
      PAYSTREAM_GATEWAY_LATENCY_MS: '20-2147483648',
      PAYSTREAM_PAYMENT_RETRY_DELAY_MS: '31536000001',
      PAYSTREAM_PAYMENT_EXPIRY_MS: '999999999999999',
      PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: '5000000000',
      PAYSTREAM_NOTIFY_GIVE_UP_AFTER_MS: '31536000001',
    };
    expect(faultsOf(tooLong).map((fault) => fault.split(' ')[0])).toEqual(Object.keys(tooLong));
    expect(faultsOf(tooLong)).toContain(
      'PAYSTREAM_PAYMENT_EXPIRY_MS "999999999999999": must be milliseconds: a whole number from 1 to 31536000000',
    );
    expect(Object.keys(example).filter((name) => name.endsWith('_MS') && !(name in tooLong))).toEqual([
      'PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS',
    ]);
    expect(faultsOf({ PAYSTREAM_PAYMENT_EXPIRY_MS: '2592000000', PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: '2147483647' })).toEqual([]);
  });

  it.each(['0,1000', '1000,500', '1000,1000', '1000,31536000001', '1000,', 'soon'])(
    'names the setting where times to look an outcome up make no sense: %j',
    (delays) => {
      expect(faultsOf({ PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: delays })).toEqual([
        `PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS "${delays}": must be milliseconds from 1 to 31536000000, each more than the one before, such as 1000,5000,30000`,
      ]);
    },
  );

  it('refuses to serve other machines without keys, and a topic for two purposes', () => {
    expect(faultsOf({ PAYSTREAM_HOST: '0.0.0.0' }).join()).toMatch(/PAYSTREAM_HOST "0\.0\.0\.0".*PAYSTREAM_API_KEYS/);
    expect(faultsOf({ PAYSTREAM_HOST: '0.0.0.0', PAYSTREAM_API_KEYS: 'secret-key=*' })).toEqual([]);
    expect(faultsOf({ PAYSTREAM_HOST: '127.0.0.2' })).toEqual([]);
    expect(faultsOf({ PAYSTREAM_TOPIC_TRANSACTIONS: 'orders' }).join()).toMatch(/PAYSTREAM_TOPIC_TRANSACTIONS.*PAYSTREAM_TOPIC_ORDERS/);
  });

  it.each(['nowhere', 'ftp://127.0.0.1', 'http://me:key@127.0.0.1'])('says what is wrong with the address %s of a gateway', (url) => {
    expect(faultsOf({ PAYSTREAM_GATEWAY_URL: url })).toEqual([expect.stringContaining('must be an address')]);
  });

  it('never shows a secret that is wrong', () => {
    const faults = [
      ...faultsOf({
        PAYSTREAM_API_KEYS: 'hunter2',
        PAYSTREAM_SMTP_URL: 'http://user:hunter2@host',
        PAYSTREAM_MYSQL_URL: 'postgres://user:hunter2@host/db',
        PAYSTREAM_GATEWAY_URL: 'http://user:hunter2@host',
        PAYSTREAM_PULSAR_URL: 'pulsar://user:hunter2@host:6650',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'grpc://me:hunter2@collector:4317',
      }),
    ];
    for (const url of ['me:hunter2@host:6650', 'http:me:hunter2@host', 'me:hunter2@host']) {
      faults.push(...faultsOf({ PAYSTREAM_PULSAR_URL: url }), ...faultsOf({ PAYSTREAM_GATEWAY_URL: url }));
    }
    expect(faults).toHaveLength(12);
    expect(faults.join('\n')).toContain('OTEL_EXPORTER_OTLP_ENDPOINT "grpc://(secret)@collector:4317"');
    expect(faults.join('\n')).not.toContain('hunter2');
  });

  it.each(['hunter2\n', 'hunter\n2', 'hunter 2', 'hünter2'])(
    'refuses a gateway key that no call could carry, and does not show it: %j',
    (key) => {
      expect(faultsOf({ PAYSTREAM_GATEWAY_KEY: key })).toEqual([
        'PAYSTREAM_GATEWAY_KEY (secret): must be printable ASCII without blanks, as it is sent in a header',
      ]);
    },
  );

  it('knows each key by what callers show, however the pairs are laid out', () => {
    const keys = [
      { key: 'shop', merchant: 'merchant-1' },
      { key: 'ops', merchant: '*' },
    ];
    for (const text of ['shop=merchant-1,ops=*', 'shop=merchant-1, ops=*', ' shop=merchant-1 ,\n  ops=*\n\n'])
      expect(readConfig({ PAYSTREAM_API_KEYS: text }).PAYSTREAM_API_KEYS, text).toEqual(keys);
    expect(readConfig({ PAYSTREAM_API_KEYS: 'shop=Acme Ltd' }).PAYSTREAM_API_KEYS).toEqual([{ key: 'shop', merchant: 'Acme Ltd' }]);
  });

  it.each(['my shop=merchant-1', 'shop =merchant-1', 'shop= merchant-1', 'shöp=merchant-1', 'shop=merchant-1,,ops=*', 'shop=merchant-1,'])(
    'refuses keys that no caller could show, and merchants that nobody could name, and shows neither: %j',
    (text) => {
      expect(faultsOf({ PAYSTREAM_API_KEYS: text })).toEqual([
        'PAYSTREAM_API_KEYS (secret): must be pairs such as key=merchant-1,other-key=*, the keys of printable ASCII without blanks',
      ]);
    },
  );

  it('refuses a key that is given twice, of which one would count', () => {
    expect(faultsOf({ PAYSTREAM_API_KEYS: 'hunter2=merchant-1,ops=*,hunter2=merchant-2' })).toEqual([
      'PAYSTREAM_API_KEYS (secret): must name each key once; pairs 1 and 3 have the same',
    ]);
  });

  it('runs on Pulsar and MySQL in production, whose addresses it asks for', () => {
    const urls = { PAYSTREAM_PULSAR_URL: 'pulsar://p:6650', PAYSTREAM_MYSQL_URL: 'mysql://u:secret@m/paystream' };
    expect(readConfig({ PAYSTREAM_PROFILE: 'production', ...urls })).toMatchObject({
      PAYSTREAM_BROKER: 'pulsar',
      PAYSTREAM_DATABASE: 'mysql',
    });
    const missing = faultsOf({ PAYSTREAM_PROFILE: 'production' });
    expect(missing).toHaveLength(2);
    expect(missing.join()).toMatch(/PAYSTREAM_PULSAR_URL is needed.*PAYSTREAM_MYSQL_URL is needed/);
    const embedded = { PAYSTREAM_PROFILE: 'production', PAYSTREAM_BROKER: 'embedded', PAYSTREAM_DATABASE: 'embedded' };
    expect(faultsOf(embedded)).toHaveLength(2);
    expect(faultsOf({ ...urls, PAYSTREAM_MYSQL_CA: 'ca.pem', PAYSTREAM_PULSAR_CA: 'ca.pem', PAYSTREAM_DATABASE: 'mysql' })).toHaveLength(2);
  });

  it('takes secrets from files', () => {
    const directory = mkdtempSync(join(tmpdir(), 'paystream-secrets-'));
    const path = join(directory, 'keys');
    writeFileSync(path, 'hunter2=*\n');
    try {
      expect(readConfig({ PAYSTREAM_API_KEYS_FILE: path }).PAYSTREAM_API_KEYS).toEqual([{ key: 'hunter2', merchant: '*' }]);
      expect(faultsOf({ PAYSTREAM_API_KEYS_FILE: path, PAYSTREAM_API_KEYS: 'hunter2=*' })).toEqual([
        'PAYSTREAM_API_KEYS_FILE names a file, but PAYSTREAM_API_KEYS is set too: give one of them',
      ]);
      expect(faultsOf({ PAYSTREAM_API_KEYS_FILE: join(directory, 'none') }).join()).toMatch(/there is no such file/);
      writeFileSync(path, 'hunter2');
      expect(faultsOf({ PAYSTREAM_API_KEYS_FILE: path })).toEqual([
        'PAYSTREAM_API_KEYS (secret): must be pairs such as key=merchant-1,other-key=*, the keys of printable ASCII without blanks',
      ]);
      writeFileSync(path, '');
      expect(faultsOf({ PAYSTREAM_API_KEYS_FILE: path }).join()).toMatch(/the file is empty/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it.each(['hunter2', 'hunter2\n', 'hunter2\r\n', 'hunter2\n\n', 'hunter2\r\n\r\n'])(
    'takes no line break at the end of the file %j for a part of the password, which the database would refuse',
    (text) => {
      const directory = mkdtempSync(join(tmpdir(), 'paystream-secrets-'));
      const path = join(directory, 'password');
      writeFileSync(path, text);
      try {
        expect(readConfig({ PAYSTREAM_MYSQL_PASSWORD_FILE: path }).PAYSTREAM_MYSQL_PASSWORD).toBe('hunter2');
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );
});
