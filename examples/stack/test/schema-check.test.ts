import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PaystreamError } from '@paystream/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { wholeStack } from '../src/service-names.ts';
import { startStack } from '../src/stack.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'paystream-schema-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function start(services: Parameters<typeof startStack>[1], migrations: string): ReturnType<typeof startStack> {
  const ports = { PAYSTREAM_GRPC_PORT: '0', PAYSTREAM_HTTP_PORT: '0', PAYSTREAM_LOG_LEVEL: 'silent' };
  return startStack(readConfig({ ...ports, PAYSTREAM_DATA_DIR: directory, PAYSTREAM_MIGRATIONS: migrations }), services);
}

async function refusal(services: Parameters<typeof startStack>[1]): Promise<PaystreamError> {
  const error = PaystreamError.from(await start(services, 'check').catch((thrown: unknown) => thrown));
  expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'SCHEMA_OUT_OF_DATE' });
  return error;
}

it('names all that the services of a process lack, once, and the setting that brings it', async () => {
  const { message, details } = await refusal(wholeStack);
  expect(message).toMatch(/exportMigrations.* these alone.*PAYSTREAM_MIGRATIONS=apply/);
  const missing = details['missing']?.split(',') ?? [];
  await (await start(wholeStack, 'apply')).stop();
  const stack = await start(wholeStack, 'check');
  const { database } = stack.engine;
  const applied = await database.query(`SELECT name FROM ${database.tables('migrations')} ORDER BY name`);
  expect(missing.toSorted()).toEqual(applied.map((row) => row['name']));
  await stack.stop();
});

it('asks of a service only for what is its own', async () => {
  const { details } = await refusal(['wallet']);
  expect(details['missing']).toMatch(/outbox.*wallet|outbox.*ledger/);
  expect(details['missing']).not.toMatch(/payment|notif|log|catalog/);
});
