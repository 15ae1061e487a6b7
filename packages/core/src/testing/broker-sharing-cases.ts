import assert from 'node:assert/strict';
import type { IncomingMessage } from '../broker/port.ts';
import type { BrokerCase, BrokerUnderTest } from './broker-subject.ts';
import {
  bytes,
  numbered,
  publish,
  receive,
  receiveFromAll,
  receiveNothing,
  rejectsWith,
  subscribe,
  text,
  texts,
} from './broker-subject.ts';

const keyOf = (message: IncomingMessage): string => message.key ?? '';

function keyed(keys: number, each: number, from = 0): { payload: Uint8Array; key: string }[] {
  const all: { payload: Uint8Array; key: string }[] = [];
  for (let i = from; i < from + each; i++) for (let k = 0; k < keys; k++) all.push({ payload: bytes(`k${k}:${i}`), key: `k${k}` });
  return all;
}

/** Fails unless the messages of each key are in order. */
function assertKeyOrder(messages: readonly IncomingMessage[]): void {
  const last = new Map<string, number>();
  for (const message of messages) {
    const number = Number(text(message).split(':')[1]);
    assert.ok(number > (last.get(keyOf(message)) ?? -1), `${text(message)} came after ${keyOf(message)}:${last.get(keyOf(message))}`);
    last.set(keyOf(message), number);
  }
}

async function publishKeyed(
  subject: BrokerUnderTest,
  topic: string,
  messages: readonly { payload: Uint8Array; key: string }[],
): Promise<void> {
  await publish(subject, topic, messages);
}

/** Exclusive, failover, shared and key-shared: who gets which message. */
export const sharingCases: readonly BrokerCase[] = [
  {
    name: 'exclusive: a second consumer is refused, and may come when the first has gone',
    run: async (subject) => {
      const topic = subject.uniqueName('exclusive');
      const first = await subscribe(subject, topic);
      await rejectsWith(subscribe(subject, topic), 'FAILED_PRECONDITION', 'SUBSCRIPTION_BUSY');
      await first.close();
      const second = await subscribe(subject, topic);
      await publish(subject, topic, ['x']);
      assert.deepEqual(texts(await receive(subject, second, 1)), ['x']);
    },
  },
  {
    name: 'a subscription in use as one type is refused as another',
    run: async (subject) => {
      const topic = subject.uniqueName('types');
      await subscribe(subject, topic, { type: 'shared' });
      await rejectsWith(subscribe(subject, topic, { type: 'key-shared' }), 'FAILED_PRECONDITION', 'SUBSCRIPTION_BUSY');
    },
  },
  {
    name: 'a subscription that nobody uses may change its type',
    run: async (subject) => {
      const topic = subject.uniqueName('type-change');
      const first = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, numbered(4));
      const [one] = await receive(subject, first, 2);
      await first.acknowledge(one === undefined ? [] : [one]);
      await first.close();
      const second = await subscribe(subject, topic, { type: 'exclusive' });
      assert.deepEqual(texts(await receive(subject, second, 3)), ['m1', 'm2', 'm3']);
    },
  },
  {
    name: 'failover: one consumer gets everything; when it goes the next takes over, in order',
    run: async (subject) => {
      const topic = subject.uniqueName('failover');
      const first = await subscribe(subject, topic, { type: 'failover' });
      const second = await subscribe(subject, topic, { type: 'failover' });
      await publish(subject, topic, numbered(10));
      const [ones, twos] = await receiveFromAll(subject, [first, second], 10);
      const [active, standby, got] = (ones?.length ?? 0) > 0 ? [first, second, ones] : [second, first, twos];
      assert.deepEqual(texts(got ?? []), numbered(10), 'one of the two gets everything');
      await active.acknowledge((got ?? []).slice(0, 4));
      await active.close();
      assert.deepEqual(texts(await receive(subject, standby, 6)), numbered(10).slice(4));
    },
  },
  {
    name: 'failover: a receive that waits on the stand-by is served when it takes over',
    run: async (subject) => {
      const topic = subject.uniqueName('failover-waiting');
      const first = await subscribe(subject, topic, { type: 'failover' });
      const second = await subscribe(subject, topic, { type: 'failover' });
      await publish(subject, topic, ['x']);
      const onFirst = receiveFromAll(subject, [first, second], 1);
      const [ones] = await onFirst;
      const [active, standby] = (ones?.length ?? 0) > 0 ? [first, second] : [second, first];
      const waiting = receive(subject, standby, 1);
      await active.close();
      assert.deepEqual(texts(await waiting), ['x']);
    },
  },
  {
    name: 'shared: the messages spread over the consumers, each to one',
    run: async (subject) => {
      const topic = subject.uniqueName('shared');
      const consumers = [await subscribe(subject, topic, { type: 'shared' }), await subscribe(subject, topic, { type: 'shared' })];
      await publish(subject, topic, numbered(60));
      const shares = await receiveFromAll(subject, consumers, 60);
      assert.deepEqual(shares.flat().map(text).sort(), numbered(60).sort());
      for (const share of shares) assert.ok(share.length > 0, 'a consumer got nothing');
    },
  },
  {
    name: 'shared: a consumer that waits is served though another holds messages unacknowledged',
    needs: ['noneAhead'],
    run: async (subject) => {
      const topic = subject.uniqueName('shared-busy');
      const busy = await subscribe(subject, topic, { type: 'shared', maxUnacknowledged: 1 });
      const idle = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, ['m0']);
      const [held] = await receiveFromAll(subject, [busy, idle], 1);
      await publish(subject, topic, ['m1', 'm2']);
      const rest = await receiveFromAll(subject, [busy, idle], 2);
      assert.deepEqual(rest.flat().map(text).sort(), ['m1', 'm2']);
      assert.ok((held?.length ?? 0) + (rest[0]?.length ?? 0) <= 1, 'the busy one got more than it may hold');
    },
  },
  {
    name: 'key-shared: while messages of a key are unacknowledged, all of the key go to one consumer, in order',
    run: async (subject) => {
      const topic = subject.uniqueName('keyed');
      const consumers = [await subscribe(subject, topic, { type: 'key-shared' }), await subscribe(subject, topic, { type: 'key-shared' })];
      await publishKeyed(subject, topic, keyed(20, 6));
      const shares = await receiveFromAll(subject, consumers, 120);
      const owners = new Map<string, number>();
      for (const [index, share] of shares.entries()) {
        assertKeyOrder(share);
        assert.ok(share.length > 0, 'a consumer got no key at all');
        for (const message of share) {
          assert.equal(owners.get(keyOf(message)) ?? index, index, `${keyOf(message)} went to both`);
          owners.set(keyOf(message), index);
        }
      }
      assert.equal(owners.size, 20);
    },
  },
  {
    name: 'key-shared: the order of a key holds while messages are acknowledged one by one',
    run: async (subject) => {
      const topic = subject.uniqueName('keyed-ack');
      const consumers = [await subscribe(subject, topic, { type: 'key-shared' }), await subscribe(subject, topic, { type: 'key-shared' })];
      await publishKeyed(subject, topic, keyed(5, 20));
      const seen: IncomingMessage[] = [];
      while (seen.length < 100) {
        const shares = await receiveFromAll(subject, consumers, Math.min(10, 100 - seen.length));
        for (const [index, share] of shares.entries()) {
          seen.push(...share);
          await consumers[index]?.acknowledge(share);
        }
      }
      assertKeyOrder(seen);
    },
  },
  {
    name: 'key-shared: the order of a key holds across a consumer that joins and one that leaves',
    run: async (subject) => {
      const topic = subject.uniqueName('keyed-join');
      const first = await subscribe(subject, topic, { type: 'key-shared' });
      await publishKeyed(subject, topic, keyed(8, 5));
      const early = await receive(subject, first, 40);
      const second = await subscribe(subject, topic, { type: 'key-shared' });
      await publishKeyed(subject, topic, keyed(8, 5, 5));
      // All keys are in the hands of the first: what came later must not overtake.
      await receiveNothing(subject, second);
      await first.acknowledge(early);
      const [late, joined] = await receiveFromAll(subject, [first, second], 40);
      assertKeyOrder([...early, ...(late ?? [])]);
      assertKeyOrder([...early, ...(joined ?? [])]);
      await first.close();
      const again = await receiveFromAll(subject, [second], late?.length ?? 0);
      assertKeyOrder(again.flat());
      assert.deepEqual(texts(again.flat()).sort(), texts(late ?? []).sort());
    },
  },
  {
    name: 'key-shared: a key whose consumer is slow does not hold up the others',
    run: async (subject) => {
      const topic = subject.uniqueName('keyed-slow');
      const slow = await subscribe(subject, topic, { type: 'key-shared' });
      await publish(subject, topic, [{ payload: bytes('a:0'), key: 'a' }]);
      const held = await receive(subject, slow, 1);
      const other = await subscribe(subject, topic, { type: 'key-shared' });
      const keys = numbered(30, 'b');
      await publish(subject, topic, [
        { payload: bytes('a:1'), key: 'a' },
        ...keys.map((key) => ({ payload: bytes(`${key}:0`), key })),
        { payload: bytes('a:2'), key: 'a' },
      ]);
      // What is of the slow key may come to its consumer, or wait until that has settled what it has.
      const [ones = [], twos = []] = await receiveFromAll(subject, [slow, other], 30, (message) => message.key !== 'a');
      assertKeyOrder(ones);
      assert.ok(twos.length > 0, 'the other consumer got nothing');
      assert.ok(
        twos.every((message) => message.key !== 'a'),
        'a key went to two consumers at once',
      );
      await slow.acknowledge(held);
      const left = 2 - ones.filter((message) => message.key === 'a').length;
      const rest = left === 0 ? [] : await receiveFromAll(subject, [slow, other], left);
      assert.deepEqual(texts([...ones, ...rest.flat()].filter((message) => message.key === 'a')), ['a:1', 'a:2']);
    },
  },
  {
    name: 'key-shared: a message given back holds up later ones of its key, and no others',
    run: async (subject) => {
      const topic = subject.uniqueName('keyed-nack');
      const consumer = await subscribe(subject, topic, { type: 'key-shared', maxUnacknowledged: 2 });
      await publish(subject, topic, [
        { payload: bytes('a:0'), key: 'a' },
        { payload: bytes('b:0'), key: 'b' },
        { payload: bytes('a:1'), key: 'a' },
        { payload: bytes('b:1'), key: 'b' },
      ]);
      const first = await receive(subject, consumer, 2);
      consumer.negativeAcknowledge(
        first.filter((message) => message.key === 'a'),
        quietMsBeforeRetry,
      );
      await consumer.acknowledge(first.filter((message) => message.key === 'b'));
      const next = await receive(subject, consumer, 1);
      assert.deepEqual(texts(next), ['b:1']);
      await consumer.acknowledge(next);
      assert.deepEqual(texts(await receive(subject, consumer, 2)), ['a:0', 'a:1']);
    },
  },
  {
    name: 'key-shared: messages without a key are delivered too',
    run: async (subject) => {
      const topic = subject.uniqueName('keyless');
      const consumers = [await subscribe(subject, topic, { type: 'key-shared' }), await subscribe(subject, topic, { type: 'key-shared' })];
      await publish(subject, topic, numbered(10));
      const shares = await receiveFromAll(subject, consumers, 10);
      assert.deepEqual(shares.flat().map(text).sort(), numbered(10));
    },
  },
];

/** Long enough for others to be received before the message that was given back comes again. */
const quietMsBeforeRetry = 600;
