import { expect, it, onTestFinished } from 'vitest';
import { MessageId } from '../message/message-id.ts';
import { createFaultProxy } from '../testing/fault-proxy.ts';
import { freshTopic } from '../testing/test-support.ts';
import { numbered, onStage, quiet, soon, take, takeTexts, textOf } from './test-support.ts';

const stage = onStage();

it.each([true, false])('receives what was sent, in order, with everything that goes with it (batched: %s)', async (batched) => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', receiverQueueSize: 10 });
  await using producer = await stage.client.createProducer({ topic, name: 'sender', batching: batched ? {} : false });
  const ids = await Promise.all(
    numbered('m', 300).map((value, at) =>
      producer.send({ value, key: at % 2 === 0 ? `k${at}` : Buffer.from([at % 256]), properties: { at: `${at}` }, eventTimeMs: 1000 + at }),
    ),
  );
  for (let at = 0; at < 300; at++) {
    const message = await consumer.receive();
    expect(textOf(message)).toBe(`m${at}`);
    expect(message.id.equals(ids[at]!)).toBe(true);
    expect(message.topic).toBe(topic);
    expect(message.keyBytes).toEqual(at % 2 === 0 ? Buffer.from(`k${at}`) : Buffer.from([at % 256]));
    expect(message.properties).toEqual({ at: `${at}` });
    expect(message.eventTimeMs).toBe(1000 + at);
    expect(message.sequenceId).toBe(at);
    expect(message.producerName).toBe('sender');
    await message.acknowledge();
  }
  await expect.poll(() => consumer.backlog(), soon).toBe(0);
});

it('9.4.54 refuses a second exclusive consumer, and lets a failover one take over', async () => {
  const topic = freshTopic();
  await stage.subscribe({ topic, subscription: 'only' });
  await expect(stage.subscribe({ topic, subscription: 'only' })).rejects.toMatchObject({
    code: 'CONSUMER_BUSY',
    serverError: 'ConsumerBusy',
  });
  await expect(stage.subscribe({ topic, subscription: 'only', type: 'shared' })).rejects.toMatchObject({ code: 'CONSUMER_BUSY' });

  const active: string[] = [];
  const watch = (name: string) => ({ onActiveChange: (isActive: boolean) => active.push(`${name} ${isActive}`) });
  const first = await stage.subscribe({ topic, subscription: 'f', type: 'failover', priority: 0, events: watch('a') });
  const second = await stage.subscribe({ topic, subscription: 'f', type: 'failover', priority: 1, events: watch('b') });
  await expect.poll(() => active, soon).toContain('b false');
  await stage.send(topic, ['one']);
  expect(await takeTexts(first, 1)).toEqual(['one']);
  await first.close();
  await expect.poll(() => active, soon).toContain('b true');
  // Not acknowledged by the first one.
  expect(await takeTexts(second, 1)).toEqual(['one']);
});

it('hands over on every one of many topics, though broker 4.0 may leave a backlog where it is', async () => {
  const handOver = async (): Promise<string[]> => {
    const topic = freshTopic();
    const [first, second] = [
      await stage.subscribe({ topic, subscription: 'f', type: 'failover', priority: 0 }),
      await stage.subscribe({ topic, subscription: 'f', type: 'failover', priority: 1 }),
    ];
    await stage.send(topic, ['one']);
    await takeTexts(first, 1);
    await first.close();
    return takeTexts(second, 1);
  };
  // Without the second asking, some 5 in 100 waited for the next message.
  const taken = await Promise.all(Array.from({ length: 150 }, handOver));
  expect(taken).toEqual(Array.from({ length: 150 }, () => ['one']));
});

it('9.4.55 shares messages among consumers, and gives those of one that goes to the others', async () => {
  const topic = freshTopic();
  const proxy = await createFaultProxy({ target: stage.serviceUrl });
  onTestFinished(() => proxy.close());
  const clients = [stage.newClient({ serviceUrl: proxy.serviceUrl }), stage.newClient(), stage.newClient()];
  const consumers = await Promise.all(
    clients.map((client) => stage.subscribe({ topic, subscription: 's', type: 'shared', receiverQueueSize: 5 }, client)),
  );
  await stage.send(topic, numbered('m', 90), { batching: false });
  const got = new Map<string, number>();
  const dying = await take(consumers[0]!, 10);
  for (const consumer of consumers.slice(1)) consumer.run((message) => got.set(textOf(message), message.redeliveryCount));
  proxy.refuse(true);
  proxy.cutAll();
  await expect.poll(() => [...got.keys()].sort(), soon).toEqual(numbered('m', 90).sort());
  for (const message of dying) expect(got.has(textOf(message))).toBe(true);
});

it('9.4.56 keeps the order of each key on a key-shared subscription while consumers come and go', async () => {
  const topic = freshTopic();
  const keys = numbered('k', 10);
  const seen = new Map<string, number[]>();
  const runs = new Map<string, () => Promise<void>>();
  const join = async (name: string): Promise<void> => {
    const consumer = await stage.client.subscribe({
      topic,
      subscription: 's',
      type: 'key_shared',
      name,
      receiverQueueSize: 10,
      ackGroupTimeMs: 0,
    });
    const run = consumer.run((message) => {
      const list = seen.get(message.key!) ?? [];
      list.push(Number(textOf(message)));
      seen.set(message.key!, list);
    });
    runs.set(name, async () => {
      await run.stop();
      await consumer.close();
    });
  };
  await join('a');
  await using producer = await stage.client.createProducer({ topic, batching: { keyed: true } });
  const sendRound = (from: number) =>
    Promise.all(Array.from({ length: 200 }, (_, at) => producer.send({ key: keys[at % 10]!, value: String(from + Math.floor(at / 10)) })));
  await sendRound(0);
  await join('b');
  await sendRound(20);
  await runs.get('a')!();
  runs.delete('a');
  await sendRound(40);
  await expect.poll(() => [...seen.values()].flat().length, soon).toBeGreaterThanOrEqual(600);
  for (const stop of runs.values()) await stop();
  for (const list of seen.values()) {
    // Whatever was delivered twice, each number comes first after the one before it.
    const firsts = list.filter((value, at) => list.indexOf(value) === at);
    expect(firsts).toEqual(Array.from({ length: 60 }, (_, at) => at));
  }
});

it('9.4.56 gives a sticky consumer its ranges, and refuses overlapping ones', async () => {
  const topic = freshTopic();
  const options = { topic, subscription: 's', type: 'key_shared' } as const;
  const low = await stage.subscribe({ ...options, keyShared: { ranges: [[0, 32_767]] } });
  const high = await stage.subscribe({ ...options, keyShared: { ranges: [[32_768, 65_535]] } });
  await expect(stage.subscribe({ ...options, keyShared: { ranges: [[100, 200]] } })).rejects.toMatchObject({
    code: 'CONSUMER_BUSY',
    serverError: 'ConsumerAssignError',
  });
  const keys = numbered('key', 40);
  await stage.send(topic, keys, { keys, batching: false });
  const mine = new Set<string>();
  const theirs = new Set<string>();
  for (let left = 40; left > 0; ) {
    for (const [consumer, set] of [
      [low, mine],
      [high, theirs],
    ] as const) {
      const message = await consumer.receive({ timeoutMs: 200 });
      if (message === undefined) continue;
      set.add(message.key!);
      left -= 1;
    }
  }
  expect(mine.size).toBeGreaterThan(5);
  expect(theirs.size).toBeGreaterThan(5);
  expect([...mine].filter((key) => theirs.has(key))).toEqual([]);
});

it('9.4.73 removes a subscription only for its last consumer, unless forced', async () => {
  const topic = freshTopic();
  const options = { topic, subscription: 's', type: 'shared' } as const;
  const first = await stage.subscribe(options);
  const second = await stage.subscribe(options);
  await expect(first.unsubscribe()).rejects.toMatchObject({ code: 'CONSUMER_BUSY', command: 'UNSUBSCRIBE', retryable: false });
  // It is still there.
  second.pause();
  await stage.send(topic, numbered('m', 500), { batching: false });
  await takeTexts(first, 1);
  await first.unsubscribe({ force: true });
  await expect.poll(() => stage.admin.subscriptions.list(topic), soon).not.toContain('s');
  await expect(first.receive()).rejects.toMatchObject({ code: 'ALREADY_CLOSED' });
});

it('9.4.74 tells the end of a terminated topic once everything is delivered', async () => {
  const topic = freshTopic();
  const ended: string[] = [];
  const consumer = await stage.subscribe({ topic, subscription: 's', events: { onEndOfTopic: (name) => ended.push(name) } });
  await stage.send(topic, ['last']);
  await stage.admin.topics.terminate(topic);
  const [message] = await take(consumer, 1);
  await message!.acknowledge();
  await expect.poll(() => ended, soon).toContain(topic);
  expect(await quiet(consumer)).toBe('nothing');
});

it('9.4.76 receives from several topics and partitions, acknowledges each where it belongs, and finds new partitions', async () => {
  const plain = freshTopic('plain');
  const parted = freshTopic('parted');
  await stage.admin.topics.createPartitioned(parted, 2);
  const consumer = await stage.subscribe({
    topics: [plain, parted],
    subscription: 's',
    initialPosition: 'earliest',
    partitionsUpdateMs: 100,
  });
  expect([...consumer.topics].sort()).toEqual([`${parted}-partition-0`, `${parted}-partition-1`, plain].sort());
  const start = Date.now();
  await stage.send(plain, numbered('a', 5));
  await stage.send(parted, numbered('b', 10), { batching: false });
  const messages = await take(consumer, 15);
  expect(messages.map(textOf).sort()).toEqual([...numbered('a', 5), ...numbered('b', 10)].sort());
  await consumer.acknowledge(messages.map(({ id }) => id));
  await expect.poll(() => consumer.backlog(), soon).toBe(0);
  const last = await consumer.lastMessageIds();
  expect(last.map(({ topic }) => topic).sort()).toEqual([...consumer.topics].sort());

  await consumer.seek({ timeMs: start - 10_000 });
  const again = await take(consumer, 15);
  expect(again.map(textOf).sort()).toEqual(messages.map(textOf).sort());
  for (const message of again) await message.acknowledge();
  await expect(consumer.seek(new MessageId({ ledgerId: 1n, entryId: 1n }))).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });

  await stage.admin.topics.updatePartitions(parted, 3);
  await using producer = await stage.client.createProducer({ topic: `${parted}-partition-2` });
  await producer.send('new');
  expect(await takeTexts(consumer, 1)).toEqual(['new']);
});

it('subscribes to no topic if one of several is refused', async () => {
  const free = freshTopic();
  const taken = freshTopic();
  await stage.subscribe({ topic: taken, subscription: 's' });
  await expect(stage.subscribe({ topics: [free, taken], subscription: 's' })).rejects.toMatchObject({ code: 'CONSUMER_BUSY' });
  // The other one is free for somebody else.
  await stage.subscribe({ topic: free, subscription: 's' });
});

it('settles whoever waits when it is closed', async () => {
  const consumer = await stage.subscribe({ topic: freshTopic(), subscription: 's' });
  const waiting = [consumer.receive(), consumer.receiveBatch({ timeoutMs: 60_000 }), consumer.receive({ timeoutMs: 60_000 })];
  const iterated = (async () => {
    for await (const _ of consumer) throw new Error('nothing was sent');
    return 'over';
  })();
  const settled = Promise.allSettled(waiting);
  await consumer.close();
  for (const outcome of await settled) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ALREADY_CLOSED' } });
  expect(await iterated).toBe('over');
  expect(() => consumer.negativeAcknowledge({} as never)).toThrow();
});
