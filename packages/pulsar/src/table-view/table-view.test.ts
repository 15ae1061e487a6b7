import { afterEach, describe, expect, it, vi } from 'vitest';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { Message } from '../message/message.ts';
import { MessageId } from '../message/message-id.ts';
import { openTableView, type TableSource, type TableView } from './table-view.ts';

const idOf = (entryId: number, topic: string): MessageId => new MessageId({ ledgerId: 1n, entryId: BigInt(entryId), topic });

/** A topic that a test writes to. */
function fakeTopic(partitions: readonly string[] = ['t']) {
  const last = new Map(partitions.map((name) => [name, -1]));
  const queue: Message<string>[] = [];
  const errors: unknown[] = [];
  let waiting: PromiseWithResolvers<Message<string>> | undefined;
  let paused = false;
  let asked = 0;

  function pump(): void {
    if (paused || waiting === undefined) return;
    const next = queue.shift();
    if (next === undefined) return;
    waiting.resolve(next);
    waiting = undefined;
  }

  const source: TableSource<string> = {
    readNext() {
      waiting = Promise.withResolvers<Message<string>>();
      const { promise } = waiting;
      pump();
      return promise;
    },
    lastMessageIds: async () => {
      asked += 1;
      return [...last].map(([topic, entry]) => idOf(entry, topic));
    },
    close: async () => waiting?.reject(new PulsarError('ALREADY_CLOSED', 'closed')),
  };

  function write(key: string | undefined, text: string | null, topic = partitions[0] ?? 't'): void {
    const entry = (last.get(topic) ?? -1) + 1;
    last.set(topic, entry);
    queue.push({
      key,
      topic,
      id: idOf(entry, topic),
      isNull: text === null,
      data: Buffer.from(text ?? ''),
      get value() {
        if (text === 'corrupt') throw new PulsarError('CORRUPT', 'no');
        return text ?? '';
      },
    } as Message<string>);
    pump();
  }

  return {
    source,
    errors,
    write,
    get asked() {
      return asked;
    },
    setLast: (entry: number, topic = 't') => last.set(topic, entry),
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
      pump();
    },
    fail: (error: unknown) => waiting?.reject(error),
    open: (): Promise<TableView<string>> => openTableView({ source, topic: 't', onError: (error) => errors.push(error) }),
  };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('a table view', () => {
  it('holds the last value of every key when it is opened, of all partitions', async () => {
    const topic = fakeTopic(['t-partition-0', 't-partition-1', 't-partition-2']);
    topic.write('a', '1', 't-partition-0');
    topic.write('b', '2', 't-partition-1');
    topic.write('a', '3', 't-partition-0');
    await using view = await topic.open();
    expect([...view]).toEqual([
      ['a', '3'],
      ['b', '2'],
    ]);
    expect(view.size).toBe(2);
    expect(view.has('c')).toBe(false);
  });

  it('deletes a key whose message has no value or an empty one, and passes over what has no key', async () => {
    const topic = fakeTopic();
    for (const [key, text] of [
      ['a', '1'],
      ['b', '2'],
      [undefined, '3'],
      ['a', null],
      ['b', ''],
    ] as const)
      topic.write(key, text);
    await using view = await topic.open();
    expect([...view.keys()]).toEqual([]);
  });

  it('tells a listener everything once: what was there, then each change in order', async () => {
    const topic = fakeTopic();
    topic.write('a', '1');
    await using view = await topic.open();
    const seen: unknown[] = [];
    const stop = view.forEachAndListen((key, value) => seen.push([key, value]));
    topic.write('a', '2');
    topic.write('b', '3');
    topic.write('b', null);
    await view.refresh();
    stop();
    topic.write('c', '4');
    await view.refresh();
    expect(seen).toEqual([
      ['a', '1'],
      ['a', '2'],
      ['b', '3'],
      ['b', undefined],
    ]);
    expect(view.get('c')).toBe('4');
  });

  it('sees after a refresh what was written before it, and not only what had been read', async () => {
    const topic = fakeTopic();
    await using view = await topic.open();
    topic.pause();
    topic.write('a', '1');
    let refreshed = false;
    const refreshing = view.refresh().then(() => {
      refreshed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(refreshed).toBe(false);
    topic.resume();
    await refreshing;
    expect(view.get('a')).toBe('1');
  });

  it('does not wait for a last message that compaction has removed', async () => {
    vi.useFakeTimers();
    const topic = fakeTopic();
    topic.write('a', '1');
    topic.setLast(5);
    const opening = topic.open();
    await vi.advanceTimersByTimeAsync(500);
    topic.setLast(0);
    await vi.advanceTimersByTimeAsync(1_000);
    const view = await opening;
    expect(view.get('a')).toBe('1');
    await view.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps the value before one that cannot be decoded, and says so', async () => {
    const topic = fakeTopic();
    topic.write('a', '1');
    topic.write('a', 'corrupt');
    await using view = await topic.open();
    expect(view.get('a')).toBe('1');
    expect(topic.errors).toEqual([expect.objectContaining({ code: 'CORRUPT' })]);
  });

  it('goes on when a listener throws', async () => {
    const topic = fakeTopic();
    await using view = await topic.open();
    view.listen(() => {
      throw new Error('mine');
    });
    topic.write('a', '1');
    await view.refresh();
    expect(topic.errors).toEqual([new Error('mine')]);
    expect(view.get('a')).toBe('1');
  });

  it('settles a refresh that is canceled, closed upon, or whose topic cannot be read any more', async () => {
    const topic = fakeTopic();
    const view = await topic.open();
    topic.pause();
    topic.write('a', '1');
    const abort = new AbortController();
    const canceled = view.refresh({ signal: abort.signal });
    await Promise.resolve();
    abort.abort();
    await expect(canceled).rejects.toMatchObject({ code: 'CANCELED' });
    const closed = view.refresh();
    closed.catch(() => undefined);
    await Promise.all([view.close(), view.close()]);
    await expect(closed).rejects.toMatchObject({ code: 'ALREADY_CLOSED' });
    await expect(view.refresh()).rejects.toMatchObject({ code: 'ALREADY_CLOSED' });
    expect(topic.errors).toEqual([]);

    const gone = fakeTopic();
    const second = await gone.open();
    gone.fail(new PulsarError('TOPIC_NOT_FOUND', 'deleted'));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(second.refresh()).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
    expect(gone.errors).toHaveLength(1);
  });
});
