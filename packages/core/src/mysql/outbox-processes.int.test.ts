import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../clock/system-clock.ts';
import { leaseMs, type Published, table } from './outbox-process.fixture.ts';
import { freshDatabase, type RealServer, realServer, runBare } from './test-support.ts';

/** A text that reached the broker. */
interface Stored {
  readonly text: string;
  readonly from: string;
  /** Which call of that process. */
  readonly call: number;
  /** Whether the process had been frozen before. */
  readonly afterThaw: boolean;
}

let real: RealServer;
let url: string;
let stored: Stored[];
const children = new Map<string, ChildProcess>();
const thawed = new Set<string>();

beforeAll(async () => {
  real = await realServer();
});

beforeEach(async () => {
  url = await freshDatabase(real);
  await runBare(url, `CREATE TABLE ${table} (id VARCHAR(64) PRIMARY KEY)`);
  stored = [];
  thawed.clear();
});

afterEach(() => {
  for (const child of children.values()) child.kill('SIGKILL');
  children.clear();
});

const countFrom = (name: string): number => stored.filter(({ from }) => from === name).length;

async function until(what: string, holds: () => boolean): Promise<void> {
  const startMs = systemClock.monotonic();
  while (!holds()) {
    if (systemClock.monotonic() - startMs > 60_000) throw new Error(`waited in vain until ${what}`);
    await systemClock.sleep(20);
  }
}

/** Starts a process that commits and publishes; resolves when it has published something. */
async function start(name: string): Promise<void> {
  const child = fork(fileURLToPath(new URL('./outbox-process.fixture.ts', import.meta.url)), [url, name], { execArgv: [] });
  children.set(name, child);
  child.on('message', ({ call, texts }: Published) => {
    for (const text of texts) stored.push({ text, from: name, call, afterThaw: thawed.has(name) });
    if (child.connected) child.send(call, () => undefined);
  });
  await until(`${name} publishes`, () => countFrom(name) > 100 || child.exitCode !== null);
  expect(child.exitCode).toBe(null);
}

function signal(name: string, which: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
  if (which === 'SIGCONT') thawed.add(name);
  children.get(name)?.kill(which);
}

/** Lets the processes that live finish what they have. */
async function finish(...names: readonly string[]): Promise<void> {
  await Promise.all(
    names.map(async (name) => {
      const child = children.get(name);
      if (child === undefined) return;
      const exit = once(child, 'exit');
      child.send('stop');
      expect(await exit, name).toEqual([0, null]);
    }),
  );
}

/** The first time that each text was stored, in that order, and all other times. */
function split(): { readonly first: ReadonlyMap<string, Stored>; readonly again: readonly Stored[] } {
  const first = new Map<string, Stored>();
  const again: Stored[] = [];
  for (const one of stored) {
    if (first.has(one.text)) again.push(one);
    else first.set(one.text, one);
  }
  return { first, again };
}

async function expectAllInOrder(): Promise<void> {
  const committed = (await runBare(url, `SELECT id FROM ${table}`)).map(({ id }) => String(id));
  const { first } = split();
  expect([...first.keys()].sort()).toEqual(committed.sort());
  const lastOf = new Map<string, Stored>();
  const late: object[] = [];
  for (const one of first.values()) {
    const [key = '', n] = one.text.split('-');
    const before = lastOf.get(key);
    if (before !== undefined && Number(before.text.split('-')[1]) > Number(n)) late.push({ late: one, before });
    else lastOf.set(key, one);
  }
  expect(late).toEqual([]);
  expect(await runBare(url, 'SELECT * FROM paystream_outbox')).toEqual([]);
}

describe('processes that commit and publish at once', () => {
  it('lose nothing and keep each key in order when one is killed; what comes twice was the killed one’s', async () => {
    await Promise.all([start('killed'), start('heir')]);
    await until('both are busy', () => countFrom('killed') > 500 && countFrom('heir') > 500);
    signal('killed', 'SIGKILL');
    const rows = `SELECT COUNT(*) AS n FROM paystream_outbox_epochs`;
    await until('it ended', () => children.get('killed')?.signalCode === 'SIGKILL');
    await systemClock.sleep(2 * leaseMs);
    expect(Number((await runBare(url, rows))[0]?.['n'])).toBeLessThanOrEqual(2);
    await finish('heir');
    await expectAllInOrder();
    const { first, again } = split();
    expect(again.filter(({ text, from }) => from !== 'heir' || first.get(text)?.from !== 'killed')).toEqual([]);
  });

  it('keep each key in order when one stands still for longer than its lease and wakes, which publishes nothing of what others took', async () => {
    await Promise.all([start('frozen'), start('heir')]);
    for (let round = 0; round < 3; round++) {
      const before = countFrom('frozen');
      await until('both are busy', () => countFrom('frozen') > before + 300);
      signal('frozen', 'SIGSTOP');
      await systemClock.sleep(3 * leaseMs);
      const still = countFrom('frozen');
      signal('frozen', 'SIGCONT');
      await until('it goes on', () => countFrom('frozen') > still + 300);
    }
    await finish('frozen', 'heir');
    await expectAllInOrder();
    const { first, again } = split();
    // Published again by the heir: what the frozen one had published and not yet removed.
    const unexpected = again.filter(
      ({ text, from }) => first.get(text)?.from === from || (from === 'heir' && first.get(text)?.from !== 'frozen'),
    );
    expect(unexpected).toEqual([]);
    // By the frozen one: at most the call that it had checked its lease for when it was stopped.
    expect(new Set(again.filter(({ from }) => from === 'frozen').map(({ call }) => call)).size).toBeLessThanOrEqual(3);
  });
});
