import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshTopic } from '../testing/test-support.ts';
import { allClients, base64, type Clients } from './test-support.ts';

let all: Clients;
beforeAll(async () => {
  all = await allClients();
});
afterAll(() => all[Symbol.asyncDispose]());

describe.concurrent.each([false, true])('9.5.81 in a transaction, batched: %s', (batched) => {
  it('what Java commits we see, and what it aborts nobody does', async () => {
    const topic = freshTopic();
    const send = (value: string, transaction: 'commit' | 'abort') =>
      all.java.produce({ topic, batching: batched, transaction, messages: [{ value: base64(value) }, { value: base64(`${value} 2`) }] });
    await send('aborted', 'abort');
    await send('committed', 'commit');
    const received = await all.receive(topic, 2);
    expect(received.map(({ data }) => data.toString())).toEqual(['committed', 'committed 2']);
  });

  it('what we commit Java sees, and what we abort nobody does', async () => {
    const topic = freshTopic();
    await using producer = await all.client.createProducer({ topic, sendTimeoutMs: 0, batching: batched && { maxDelayMs: 5 } });
    for (const outcome of ['abort', 'commit'] as const) {
      const transaction = await all.client.newTransaction({ timeoutMs: 30_000 });
      await Promise.all([producer.send({ value: outcome, transaction }), producer.send({ value: `${outcome} 2`, transaction })]);
      if (outcome === 'commit') expect(await all.java.consume({ topic, subscription: 'early', count: 1, timeoutMs: 300 })).toEqual([]);
      await transaction[outcome]();
    }
    const [java, python] = await Promise.all([all.java.consume({ topic, count: 2 }), all.python.consume({ topic, count: 2 })]);
    expect(java.map(({ value }) => value)).toEqual([base64('commit'), base64('commit 2')]);
    expect(python.map(({ value }) => value)).toEqual([base64('commit'), base64('commit 2')]);
  });
});
