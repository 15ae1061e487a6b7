import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PaystreamError } from '@paystream/core';
import { expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { undecorated } from '../src/engine/decorators.ts';
import { startStack } from '../src/stack.ts';
import { eventually } from './test-stack.ts';

it('log lines that no broker takes leave a stop the time that work under way needs', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'paystream-stop-'));
  const settings = {
    PAYSTREAM_GRPC_PORT: '0',
    PAYSTREAM_HTTP_PORT: '0',
    PAYSTREAM_LOG_LEVEL: 'silent',
    PAYSTREAM_SHUTDOWN_TIMEOUT_MS: '2500',
  };
  const config = readConfig({ PAYSTREAM_DATA_DIR: directory, ...settings });
  let away = false;
  let refused = 0;
  const stack = await startStack(config, ['wallet'], [], {
    ...undecorated,
    broker: (broker) => ({
      ...broker,
      createProducer: async (options) => {
        if (!away || options.topic !== config.PAYSTREAM_TOPIC_TRANSACTION_LOGS) return broker.createProducer(options);
        refused += 1;
        throw new PaystreamError('UNAVAILABLE', 'the broker is away', { reason: 'TEST' });
      },
    }),
  });
  try {
    away = true;
    const producer = await stack.engine.broker.createProducer({ topic: config.PAYSTREAM_TOPIC_TRANSACTIONS });
    await producer.send({ payload: Buffer.from('no transaction'), key: 'o-1' });
    await producer.close();
    await eventually('the warning of a dead letter is to be sent', () => refused || undefined);
  } finally {
    await expect(stack.stop()).resolves.toBeUndefined();
    rmSync(directory, { recursive: true, force: true });
  }
});
