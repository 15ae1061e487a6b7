import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { createProducer, systemClock } from '@paystream/core';
import { LogEntrySchema, LogKind, LogLevel, timestampFromMs } from '@paystream/core/contracts';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { type RunningStack, startStack } from '../src/stack.ts';

const dayMs = 86_400_000;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'paystream-retention-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function start(settings: Readonly<Record<string, string>>): Promise<RunningStack> {
  const ports = { PAYSTREAM_GRPC_PORT: '0', PAYSTREAM_HTTP_PORT: '0', PAYSTREAM_LOG_LEVEL: 'silent' };
  return startStack(readConfig({ ...ports, PAYSTREAM_DATA_DIR: directory, ...settings }), ['logger']);
}

async function stored({ engine: { database } }: RunningStack): Promise<readonly unknown[]> {
  const rows = await database.query(`SELECT entry_id FROM ${database.tables('log_entries')} ORDER BY entry_id`);
  return rows.map((row) => row['entry_id']);
}

async function log({ engine: { broker, topics } }: RunningStack, days: readonly number[]): Promise<void> {
  const producer = await createProducer(broker, topics.orderLogs);
  for (const ago of days) {
    const eventTime = timestampFromMs(systemClock.now() - ago * dayMs);
    const entryId = `${ago} days ago`;
    await producer.send(
      create(LogEntrySchema, { entryId, kind: LogKind.BUSINESS, level: LogLevel.INFO, service: 'order', event: 'e', eventTime }),
    );
  }
  await producer.close();
}

it('keeps every log entry unless PAYSTREAM_LOG_RETENTION_DAYS says for how long', async () => {
  const all = ['0 days ago', '29 days ago', '40 days ago', '400 days ago'];
  const forever = await start({});
  await log(forever, [0, 29, 40, 400]);
  await expect.poll(() => stored(forever)).toEqual(all);
  await forever.stop();
  const month = await start({ PAYSTREAM_LOG_RETENTION_DAYS: '30' });
  await expect.poll(() => stored(month), { timeout: 10_000 }).toEqual(all.slice(0, 2));
  await month.stop();
});
