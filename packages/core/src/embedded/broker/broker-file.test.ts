import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BrokerSubscription, IncomingMessage } from '../../broker/port.ts';
import { createVirtualClock } from '../../testing/virtual-clock.ts';
import { openSqlite } from '../sqlite/open.ts';
import { createBrokerOn, createEmbeddedBroker } from './broker.ts';
import { createSqliteStore } from './sqlite-store.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'paystream-broker-'));
  path = join(directory, 'broker.db');
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

const encoder = new TextEncoder();
const text = (message: IncomingMessage): string => new TextDecoder().decode(message.payload);

async function drain(consumer: BrokerSubscription): Promise<string[]> {
  const all: string[] = [];
  const backlog = await consumer.backlog();
  while (all.length < backlog) {
    const messages = await consumer.receive(1_000);
    all.push(...messages.map(text));
    await consumer.acknowledge(messages);
  }
  return all;
}

const moduleUrl = JSON.stringify(new URL('./broker.ts', import.meta.url).href);

/** Publishes and consumes without end, and says what was stored: `s` and `a` lines are written only after the promise resolved. */
const worker = `
  import { writeSync } from 'node:fs';
  import { createEmbeddedBroker } from ${moduleUrl};
  const [path, round] = process.argv.slice(1);
  const broker = await createEmbeddedBroker({ path });
  const say = (line) => writeSync(1, line + '\\n');
  const all = await broker.subscribe({ topic: 't', subscription: 'all', initialPosition: 'earliest' });
  const some = await broker.subscribe({ topic: 't', subscription: 'some', type: 'shared', initialPosition: 'earliest' });
  const producer = await broker.createProducer({ topic: 't' });
  const text = (message) => new TextDecoder().decode(message.payload);
  say('ready');
  (async () => {
    for (;;) {
      const messages = (await some.receive(50)).filter((_, index) => index % 3 !== 0);
      some.acknowledge(messages).then(() => say('a ' + messages.map(text).join(' ')));
    }
  })();
  for (let i = 0; ; i += 10) {
    const texts = Array.from({ length: 10 }, (_, j) => round + '-' + (i + j));
    await Promise.all(texts.map((one) => producer.send({ payload: new TextEncoder().encode(one) }).then(() => say('s ' + one))));
  }`;

async function runAndKill(round: number, lines: number): Promise<{ readonly sent: string[]; readonly acknowledged: string[] }> {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', worker, path, String(round)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const sent: string[] = [];
  const acknowledged: string[] = [];
  let seen = 0;
  const reader = createInterface(child.stdout);
  reader.on('line', (line) => {
    const [kind, ...texts] = line.split(' ');
    if (kind === 's') sent.push(...texts);
    if (kind === 'a') acknowledged.push(...texts);
    seen += 1;
    if (seen === lines) child.kill('SIGKILL');
  });
  // Its output ends before it has let go of the file.
  await Promise.all([once(reader, 'close'), once(child, 'exit')]);
  return { sent, acknowledged };
}

describe('a process that is killed', () => {
  it('loses nothing that it was told was stored, repeats nothing that it was told was acknowledged', async () => {
    const sent: string[] = [];
    const acknowledged = new Set<string>();
    for (const [round, lines] of [700, 150, 400].entries()) {
      const said = await runAndKill(round, lines);
      expect(said.sent.length).toBeGreaterThan(0);
      sent.push(...said.sent);
      for (const one of said.acknowledged) acknowledged.add(one);
    }
    expect(acknowledged.size).toBeGreaterThan(0);
    await using broker = await createEmbeddedBroker({ path });
    const all = await drain(await broker.subscribe({ topic: 't', subscription: 'all', maxUnacknowledged: 10_000 }));
    expect(new Set(all).size, 'nothing is there twice').toBe(all.length);
    const stored = new Set(all);
    expect(sent.filter((one) => !stored.has(one))).toEqual([]);
    const bySender = all.map((one) => one.split('-').map(Number) as [number, number]);
    expect(bySender, 'in the order of the sends').toEqual([...bySender].sort((a, b) => a[0] - b[0] || a[1] - b[1]));
    const rest = await drain(await broker.subscribe({ topic: 't', subscription: 'some', type: 'shared' }));
    expect(rest.filter((one) => acknowledged.has(one))).toEqual([]);
    expect(new Set([...rest, ...acknowledged]).size).toBeLessThanOrEqual(stored.size);
    const known = new Set([...rest, ...acknowledged]);
    // What was acknowledged in the last moment may be stored without anybody having been told.
    expect(all.filter((one) => !known.has(one)).length).toBeLessThan(3 * 200);
  });
});

describe('a full disk', () => {
  it('fails sends and acknowledgements with DISK_FULL, loses nothing stored, and recovers when there is room', async () => {
    const clock = createVirtualClock({ quietTurns: 2 });
    const connection = openSqlite({ path });
    const broker = createBrokerOn(createSqliteStore(connection), { clock });
    const consumer = await broker.subscribe({ topic: 't', subscription: 's', type: 'shared' });
    const producer = await broker.createProducer({ topic: 't' });
    const big = (name: string): Uint8Array => encoder.encode(name.padEnd(100_000, '.'));
    await producer.send({ payload: big('a') });
    const [first] = await consumer.receive(1);
    const pages = connection.statement('PRAGMA page_count').all<{ page_count: number }>([])[0]?.page_count ?? 0;
    connection.script(`PRAGMA max_page_count = ${pages}`);
    const refused = { code: 'UNAVAILABLE', reason: 'DISK_FULL', retryable: true };
    await expect(producer.send({ payload: big('b') })).rejects.toMatchObject(refused);
    await Promise.all([
      expect(producer.send({ payload: big('c') })).rejects.toMatchObject(refused),
      expect(consumer.acknowledge(first === undefined ? [] : [first])).rejects.toMatchObject(refused),
    ]);
    connection.script('PRAGMA max_page_count = 1000000');
    await producer.send({ payload: big('d') });
    await consumer.acknowledge(first === undefined ? [] : [first]);
    await broker.close();

    await using again = await createEmbeddedBroker({ path });
    const rest = await drain(await again.subscribe({ topic: 't', subscription: 's', type: 'shared' }));
    expect(rest.map((one) => one[0])).toEqual(['d']);
  });
});

describe('opening', () => {
  it('refuses a file that was written by a newer version, and leaves it as it is', async () => {
    await (await createEmbeddedBroker({ path })).close();
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    const error = { code: 'FAILED_PRECONDITION', reason: 'SCHEMA_TOO_NEW', message: expect.stringContaining(path) };
    await expect(createEmbeddedBroker({ path })).rejects.toMatchObject(error);
    // Refused again for the same reason, and not because it was left open.
    await expect(createEmbeddedBroker({ path })).rejects.toMatchObject(error);
  });

  it('refuses a SQLite file of something else', async () => {
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE mine (id INTEGER)');
    database.close();
    await expect(createEmbeddedBroker({ path })).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'NOT_A_BROKER_FILE' });
  });

  it('refuses a file that is no database, and one whose pages are damaged', async () => {
    writeFileSync(path, 'this is not a database, but it is long enough to be taken for one'.repeat(100));
    await expect(createEmbeddedBroker({ path })).rejects.toMatchObject({ code: 'DATA_LOSS', reason: 'DATABASE_CORRUPT' });
    const other = join(directory, 'other.db');
    await (await createEmbeddedBroker({ path: other })).close();
    const bytes = readFileSync(other);
    bytes.fill(0x5a, 100, 4_096);
    writeFileSync(other, bytes);
    await expect(createEmbeddedBroker({ path: other })).rejects.toMatchObject({ code: 'DATA_LOSS', reason: 'DATABASE_CORRUPT' });
  });

  it('refuses a file that another broker has open', async () => {
    await using broker = await createEmbeddedBroker({ path });
    await expect(createEmbeddedBroker({ path })).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'DATABASE_IN_USE' });
    await broker.ping();
  });

  it('says that the folder is missing', async () => {
    const missing = join(directory, 'missing', 'broker.db');
    await expect(createEmbeddedBroker({ path: missing })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'DATABASE_CANNOT_OPEN',
    });
  });

  it.skipIf(process.getuid === undefined)('says that a file cannot be written', async () => {
    await (await createEmbeddedBroker({ path })).close();
    chmodSync(path, 0o444);
    chmodSync(directory, 0o555);
    const script = `
      import { createEmbeddedBroker } from ${moduleUrl};
      await createEmbeddedBroker({ path: process.argv[1] }).catch((error) => console.log(error.code, error.reason));`;
    // The superuser may write anywhere: then somebody else is asked.
    const child = spawn(process.execPath, ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
      ...(process.getuid?.() === 0 ? { uid: 65_534 } : {}),
    });
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    chmodSync(directory, 0o755);
    expect(line).toMatch(/^FAILED_PRECONDITION (DATABASE_CANNOT_OPEN|DATABASE_READ_ONLY)$/);
  });
});

describe('a file', () => {
  it('does not grow with history: what every subscription has acknowledged makes room for what comes', async () => {
    const clock = createVirtualClock({ quietTurns: 2 });
    const broker = await createEmbeddedBroker({ path, clock });
    const consumer = await broker.subscribe({ topic: 't', subscription: 's' });
    const producer = await broker.createProducer({ topic: 't' });
    const sizes: number[] = [];
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 10; i++) {
        await producer.sendAll(Array.from({ length: 20 }, () => ({ payload: new Uint8Array(2_000) })));
        await consumer.acknowledge(await consumer.receive(20));
      }
      await clock.advance({ seconds: 1 });
      const database = new DatabaseSync(path, { readOnly: true });
      sizes.push(Number(database.prepare('SELECT count(*) AS entries FROM entries').get()?.['entries']));
      database.close();
    }
    expect(sizes).toEqual(sizes.map(() => 0));
    await broker.close();
    expect(readFileSync(path).length).toBeLessThan(3_000_000);
  });
});
