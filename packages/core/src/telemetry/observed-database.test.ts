import { describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Database, Transaction } from '../sql/port.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { observeDatabase } from './observed-database.ts';
import { noTelemetry } from './port.ts';

async function withTable() {
  const world = await createTestWorld();
  const database = observeDatabase(world.database, world);
  await database.transaction((tx) => tx.execute('CREATE TABLE things (id INTEGER PRIMARY KEY)'));
  return { world, database, telemetry: world.telemetry };
}

describe('an observed database', () => {
  it('is the database itself where nobody listens', async () => {
    await using world = await createTestWorld();
    expect(observeDatabase(world.database, { telemetry: noTelemetry })).toBe(world.database);
  });

  it('shows each statement of a traced call under its transaction, without values', async () => {
    const { world, database, telemetry } = await withTable();
    await using _ = world;
    const call = telemetry.startSpan('call', { kind: 'server' });
    await call.run(async () => {
      await database.transaction((tx) => tx.executeMany('INSERT INTO things (id) VALUES (?)', [[1], [2]]));
      await database.query('SELECT id FROM things WHERE id = ?', [7]);
    });
    call.end();
    const [, transaction, insert, select] = telemetry.spans;
    expect(telemetry.spans.map(({ name, ended }) => [name, ended])).toEqual([
      ['call', true],
      ['transaction', true],
      ['INSERT things', true],
      ['SELECT things', true],
    ]);
    expect([transaction, insert, select].map((span) => span?.parent?.traceparent)).toEqual([
      call.traceparent,
      transaction?.traceparent,
      call.traceparent,
    ]);
    expect(insert).toMatchObject({
      kind: 'client',
      attributes: {
        'db.system.name': 'sqlite',
        'db.collection.name': 'things',
        'db.operation.batch.size': 2,
        'db.query.text': 'INSERT INTO things (id) VALUES (?)',
      },
    });
  });

  it('begins no trace of its own', async () => {
    const { world, database, telemetry } = await withTable();
    await using _ = world;
    await database.query('SELECT id FROM things');
    expect(telemetry.spans).toEqual([]);
  });

  it('keeps two calls apart whose transactions share a commit', async () => {
    const { world, database, telemetry } = await withTable();
    await using _ = world;
    const calls = [1, 2].map((id) => ({ id, span: telemetry.startSpan(`call ${id}`) }));
    await Promise.all(
      calls.map(({ id, span }) =>
        span.run(() => database.transaction((tx) => tx.execute(`INSERT INTO things (id) VALUES (?) -- ${id}`, [id]))),
      ),
    );
    for (const { id, span } of calls) {
      const insert = telemetry.spans.find(({ attributes }) => String(attributes['db.query.text']).endsWith(`-- ${id}`));
      expect(insert?.traceparent.split('-')[1]).toBe(span.traceparent?.split('-')[1]);
    }
  });

  it('lets a traced transaction say that nobody knows how it ended, and counts one that is run again', async () => {
    await using world = await createTestWorld();
    const heard: string[] = [];
    const tx: Transaction = {
      execute: async () => ({ rows: [], affected: 0 }),
      executeMany: async () => ({ affected: [] }),
      onCommit: (_callback, unknown) => unknown?.(),
    };
    const shaky: Database = {
      ...world.database,
      transaction: async (work) => {
        await work(tx);
        return work(tx);
      },
    };
    const database = observeDatabase(shaky, world);
    const work = async (inner: Transaction): Promise<void> =>
      inner.onCommit(
        () => undefined,
        () => heard.push('unknown'),
      );
    await world.telemetry.startSpan('call').run(() => database.transaction(work));
    expect(heard).toEqual(['unknown', 'unknown']);
    expect(world.telemetry.counter('paystream_database_retries_total', { system: 'sqlite' })).toBe(1);
    expect(world.telemetry.gaugeValue('paystream_database_waiting')).toBe(0);
  });

  it('tells what waits, for how long, and what fails; a failed one waits no more', async () => {
    const { world, database, telemetry } = await withTable();
    await using _ = world;
    const call = telemetry.startSpan('call');
    const failing = call.run(() =>
      Promise.allSettled([1, 2].map(() => database.transaction((tx) => tx.execute('INSERT INTO things (id) VALUES (1)')))),
    );
    expect(telemetry.gaugeValue('paystream_database_waiting')).toBe(2);
    expect((await failing).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(telemetry.gaugeValue('paystream_database_waiting')).toBe(0);
    expect(telemetry.observations('paystream_database_wait_seconds')).toHaveLength(3);
    expect(telemetry.observations('paystream_database_seconds', { operation: 'transaction' })).toHaveLength(3);
    const failed = telemetry.spans.filter(({ error }) => error !== undefined);
    expect(failed.map(({ name }) => name).sort()).toEqual(['INSERT things', 'transaction']);
    expect(PaystreamError.from(failed[0]?.error).code).toBe('ALREADY_EXISTS');
  });
});
