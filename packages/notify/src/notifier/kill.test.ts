import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConsumer, createProducer, defineTopic, json, systemClock } from '@paystream/core';
import { type LogEntry, paystreamTopics } from '@paystream/core/contracts';
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { fileChannel } from '../file/file-channel.ts';
import { defineTemplate } from '../template/template.ts';
import { createNotifier } from './notifier.ts';

const count = 1_500;
const killsAt = [100, 600];

/** What runs in a process of its own: it is killed while it delivers. */
const script = (directory: string): string => `
  import { defineTopic, json } from '@paystream/core';
  import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
  import { createNotifier, defineTemplate } from '@paystream/notify';
  import { fileChannel } from '@paystream/notify/file';
  import { z } from 'zod';
  const broker = await createEmbeddedBroker({ path: '${directory}/broker.db', synchronous: 'normal' });
  const database = await createSqliteDatabase({ path: '${directory}/store.db', synchronous: 'normal' });
  const email = fileChannel({ directory: '${directory}/sent', name: 'email', fsync: false });
  const sms = fileChannel({ directory: '${directory}/sent', name: 'sms', fsync: false });
  let written = 0;
  const watched = (channel) => ({ ...channel, deliverAll: async (messages) => {
    const outcomes = await channel.deliverAll(messages);
    written += messages.length;
    console.log(written + ';');
    return outcomes;
  } });
  const events = defineTopic({ name: 'events', codec: json(z.object({ n: z.number() })) });
  const template = defineTemplate((event) => ({ text: String(event.n) }));
  await createNotifier({ database, broker, channels: { email: watched(email), sms: watched(sms) }, delivery: { batchSize: 20 },
    rules: [{ on: events, to: () => ({ addresses: { email: 'a@example.org', sms: '+49' } }), templates: { email: template, sms: template } }] });
  setInterval(() => {}, 1000);
`;

async function runAndKill(directory: string, atLeast: number): Promise<void> {
  const child = spawn(process.execPath, ['--conditions=paystream-source', '--input-type=module', '-e', script(directory)], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (Number(output.split(';').at(-2)) >= atLeast) break;
  }
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

const linesOf = (directory: string, name: string): string[] =>
  readFileSync(join(directory, 'sent', `${name}.jsonl`), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { text: string }).text);

it('writes each local notification and its log entry once through kill -9', { timeout: 30_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'paystream-notify-'));
  const events = defineTopic({ name: 'events', codec: json(z.object({ n: z.number() })) });
  const { transactionLogs } = paystreamTopics();
  const first = await createEmbeddedBroker({ path: join(directory, 'broker.db'), synchronous: 'normal' });
  const producer = await createProducer(first, events);
  await Promise.all(Array.from({ length: count }, (_, n) => producer.send({ n }, { eventId: `event-${n}` })));
  const logs = await first.subscribe({ topic: transactionLogs.name, subscription: 'test', initialPosition: 'earliest' });
  await logs.close();
  await first.close();

  for (const atLeast of killsAt) await runAndKill(directory, atLeast);

  const broker = await createEmbeddedBroker({ path: join(directory, 'broker.db'), synchronous: 'normal' });
  const database = await createSqliteDatabase({ path: join(directory, 'store.db'), synchronous: 'normal' });
  await using email = fileChannel({ directory: join(directory, 'sent'), name: 'email', fsync: false });
  await using sms = fileChannel({ directory: join(directory, 'sent'), name: 'sms', fsync: false });
  expect(linesOf(directory, 'email').length).toBeGreaterThan(0);
  const template = defineTemplate((event: { n: number }) => ({ text: String(event.n) }));
  const notifier = await createNotifier({
    database,
    broker,
    channels: { email, sms },
    rules: [
      { on: events, to: () => ({ addresses: { email: 'a@example.org', sms: '+49' } }), templates: { email: template, sms: template } },
    ],
  });
  const told = new Map<string, string>();
  const consumer = await createConsumer(broker, transactionLogs, {
    subscription: 'test',
    handleBatch: async (batch) => {
      // The log sink dedupes by entry id; so does this.
      for (const { value } of batch) told.set(value.entryId, (value as LogEntry).attributes['deliveryId'] ?? '');
    },
  });
  while (told.size < 2 * count) await systemClock.sleep(5);
  await notifier.close();
  await consumer.close();
  const expected = Array.from({ length: count }, (_, n) => String(n)).sort();
  expect(linesOf(directory, 'email').sort()).toEqual(expected);
  expect(linesOf(directory, 'sms').sort()).toEqual(expected);
  expect(told.size).toBe(2 * count);
  expect(new Set(told.values()).size).toBe(2 * count);
  await broker.close();
  await database.close();
  rmSync(directory, { recursive: true });
});
