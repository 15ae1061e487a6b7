import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { createProducer, type RpcContext } from '@paystream/core';
import {
  CountLogEntriesRequestSchema,
  ListLogEntriesRequestSchema,
  type ListLogEntriesResponseSchema,
  LogEntrySchema,
  LogKind,
  LogLevel,
  timestampFromMs,
} from '@paystream/core/contracts';
import { createTestWorld } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import { logTopic } from '../log-topic.ts';
import { logRpcService } from './log-rpc-service.ts';
import { createLogSink } from './log-sink.ts';

type Page = MessageInitShape<typeof ListLogEntriesResponseSchema>;

const callAs = (merchants: 'all' | readonly string[]): RpcContext => ({
  method: 'test',
  signal: new AbortController().signal,
  deadlineMs: undefined,
  header: () => undefined,
  principal: { id: 'tester', merchants: merchants === 'all' ? 'all' : new Set(merchants) },
  traceparent: undefined,
});

async function served(entries: readonly MessageInitShape<typeof LogEntrySchema>[]) {
  const world = await createTestWorld();
  const sink = await createLogSink({ ...world, topics: ['logs'] });
  const producer = await createProducer(world.broker, logTopic('logs'), { clock: world.clock });
  await Promise.all(
    entries.map((more, index) =>
      producer.send(
        create(LogEntrySchema, {
          entryId: `e-${String(index).padStart(4, '0')}`,
          kind: LogKind.BUSINESS,
          level: LogLevel.INFO,
          eventTime: timestampFromMs(world.clock.now() + 1),
          ...more,
        }),
      ),
    ),
  );
  await world.runUntil(() => sink.stored + sink.duplicates === entries.length);
  const { implementation } = logRpcService(sink);
  const unary = implementation as unknown as Record<string, (request: unknown, context: RpcContext) => Promise<unknown>>;
  return {
    list: (request: MessageInitShape<typeof ListLogEntriesRequestSchema>, merchants: 'all' | readonly string[] = 'all') =>
      unary['listLogEntries']?.(create(ListLogEntriesRequestSchema, request), callAs(merchants)) as Promise<Page>,
    count: (merchants: 'all' | readonly string[] = 'all') =>
      unary['countLogEntries']?.(create(CountLogEntriesRequestSchema), callAs(merchants)) as Promise<{ counts: object[] }>,
    [Symbol.asyncDispose]: async () => {
      await sink.close();
      await world[Symbol.asyncDispose]();
    },
  };
}

const idsOf = (page: Page): (string | undefined)[] => (page.entries ?? []).map((entry) => entry.entryId);

describe('the log service', () => {
  it('lists every entry once over pages, newest first, whole', async () => {
    await using service = await served(Array.from({ length: 25 }, (_, i) => ({ message: `m${i}`, attributes: { i: String(i) } })));
    const found: (string | undefined)[] = [];
    let pageToken = '';
    do {
      const page = await service.list({ pageSize: 10, pageToken });
      found.push(...idsOf(page));
      pageToken = page.nextPageToken ?? '';
    } while (pageToken !== '');
    expect(found).toEqual(Array.from({ length: 25 }, (_, i) => `e-${String(24 - i).padStart(4, '0')}`));
    const [newest] = (await service.list({ pageSize: 1 })).entries ?? [];
    expect(newest).toMatchObject({ message: 'm24', attributes: { i: '24' }, kind: LogKind.BUSINESS, level: LogLevel.INFO });
  });

  it('finds the entries of one order, over pages', async () => {
    await using service = await served(Array.from({ length: 9 }, (_, i) => ({ orderId: i % 3 === 0 ? 'mine' : `other-${i}` })));
    const first = await service.list({ orderId: 'mine', pageSize: 2 });
    expect(idsOf(first)).toEqual(['e-0006', 'e-0003']);
    expect(idsOf(await service.list({ orderId: 'mine', pageSize: 2, pageToken: first.nextPageToken ?? '' }))).toEqual(['e-0000']);
    expect(idsOf(await service.list({ orderId: 'nobody' }))).toEqual([]);
  });

  it('counts what is stored, by kind and event, duplicates once', async () => {
    await using service = await served([
      { event: 'order.placed' },
      { event: 'order.placed' },
      { entryId: 'e-0001', event: 'order.placed' },
      { kind: LogKind.DIAGNOSTIC },
    ]);
    expect((await service.count()).counts).toEqual([
      { kind: LogKind.BUSINESS, event: 'order.placed', count: 2n },
      { kind: LogKind.DIAGNOSTIC, event: '', count: 1n },
    ]);
  });

  it('shows a merchant only its own entries', async () => {
    await using service = await served([{ merchantId: 'a' }, { merchantId: 'b' }, {}]);
    expect(idsOf(await service.list({}, ['a']))).toEqual(['e-0000']);
    await expect(service.count(['a'])).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  it('answers a merchant who has few entries at the price of a page, and finds each of them', async () => {
    const others = Array.from({ length: 5_000 }, (_, i) => ({ entryId: `b-${String(i).padStart(4, '0')}`, merchantId: 'm-1' }));
    const mine = { entryId: 'a-oldest', merchantId: 'm-2', message: 'mine', attributes: { n: '1' } };
    await using service = await served([mine, ...others.slice(0, 2_500), { ...mine, entryId: 'b-1249-mine' }, ...others.slice(2_500)]);
    const pages: (string | undefined)[][] = [];
    let pageToken = '';
    do {
      const page = await service.list({ pageToken }, ['m-2']);
      expect(page.entries ?? []).toEqual(
        (page.entries ?? []).map(() => expect.objectContaining({ message: 'mine', attributes: { n: '1' } })),
      );
      pages.push(idsOf(page));
      pageToken = page.nextPageToken ?? '';
    } while (pageToken !== '');
    expect(pages).toEqual([[], ['b-1249-mine'], ['a-oldest']]);
    expect(idsOf(await service.list({ pageSize: 3 }))).toEqual(['b-4999', 'b-4998', 'b-4997']);
  });

  it.each(['x', 'bm90IGEgdG9rZW4', '🙂'])('refuses the page token %s that it never gave', async (pageToken) => {
    await using service = await served([]);
    await expect(service.list({ pageToken })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_PAGE_TOKEN' });
  });
});
