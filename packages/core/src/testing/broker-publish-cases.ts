import assert from 'node:assert/strict';
import type { BrokerCase } from './broker-subject.ts';
import { bytes, numbered, publish, receive, receiveNothing, rejectsWith, subscribe, texts } from './broker-subject.ts';

/** What goes in comes out: content, order, when a send settles. */
export const publishCases: readonly BrokerCase[] = [
  {
    name: 'a message arrives with its payload, key, properties and times',
    run: async (subject) => {
      const topic = subject.uniqueName('whole');
      const consumer = await subscribe(subject, topic);
      const before = subject.clock.now();
      const [id] = await publish(subject, topic, [
        { payload: bytes('hello'), key: 'k', properties: { colour: 'red', empty: '' }, eventTimeMs: 1_700_000_000_123 },
      ]);
      const [message] = await receive(subject, consumer, 1);
      assert.equal(message?.id, id);
      assert.equal(message?.topic, topic);
      assert.deepEqual(Buffer.from(message?.payload ?? []).toString(), 'hello');
      assert.equal(message?.key, 'k');
      assert.deepEqual({ ...message?.properties }, { colour: 'red', empty: '' });
      assert.equal(message?.eventTimeMs, 1_700_000_000_123);
      assert.equal(message?.redeliveryCount, 0);
      const published = message?.publishTimeMs ?? 0;
      assert.ok(published >= before - 60_000 && published <= subject.clock.now() + 60_000, `publish time ${published}`);
    },
  },
  {
    name: 'a message without key, properties and event time has none',
    run: async (subject) => {
      const topic = subject.uniqueName('bare');
      const consumer = await subscribe(subject, topic);
      await publish(subject, topic, ['x']);
      const [message] = await receive(subject, consumer, 1);
      assert.equal(message?.key, undefined);
      assert.deepEqual({ ...message?.properties }, {});
      assert.equal(message?.eventTimeMs, undefined);
    },
  },
  {
    name: 'an empty payload arrives empty',
    run: async (subject) => {
      const topic = subject.uniqueName('empty');
      const consumer = await subscribe(subject, topic);
      await publish(subject, topic, [{ payload: new Uint8Array(0) }, 'after']);
      const [first, second] = await receive(subject, consumer, 2);
      assert.equal(first?.payload.length, 0);
      assert.deepEqual(texts(second === undefined ? [] : [second]), ['after']);
    },
  },
  {
    name: 'every byte value arrives as it was sent',
    run: async (subject) => {
      const topic = subject.uniqueName('binary');
      const consumer = await subscribe(subject, topic);
      const payload = Uint8Array.from({ length: 512 }, (_, index) => index & 0xff);
      await publish(subject, topic, [{ payload }]);
      const [message] = await receive(subject, consumer, 1);
      assert.deepEqual(new Uint8Array(message?.payload ?? []), payload);
    },
  },
  {
    name: 'a payload of 1 MiB arrives whole, between small ones',
    run: async (subject) => {
      const topic = subject.uniqueName('large');
      const consumer = await subscribe(subject, topic);
      const payload = Uint8Array.from({ length: 1 << 20 }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
      const producer = await subject.broker.createProducer({ topic });
      await Promise.all([{ payload: bytes('before') }, { payload }, { payload: bytes('after') }].map((message) => producer.send(message)));
      const [before, large, after] = await receive(subject, consumer, 3);
      assert.equal(Buffer.compare(Buffer.from(large?.payload ?? []), Buffer.from(payload)), 0, 'the large payload was changed');
      assert.deepEqual(
        [before, after].map((message) => Buffer.from(message?.payload ?? []).toString()),
        ['before', 'after'],
      );
    },
  },
  {
    name: 'keys and properties keep every character',
    run: async (subject) => {
      const topic = subject.uniqueName('unicode');
      const consumer = await subscribe(subject, topic);
      const long = 'ü'.repeat(3_000);
      const properties = { 'näme 😀': '値 \n\t"quoted"', long, '': 'empty name' };
      await publish(subject, topic, [{ payload: bytes('x'), key: 'ключ-🔑', properties }]);
      const [message] = await receive(subject, consumer, 1);
      assert.equal(message?.key, 'ключ-🔑');
      assert.deepEqual({ ...message?.properties }, properties);
    },
  },
  {
    name: 'one producer’s messages arrive in the order of the calls, awaited or not',
    run: async (subject) => {
      const topic = subject.uniqueName('order');
      const consumer = await subscribe(subject, topic);
      const producer = await subject.broker.createProducer({ topic });
      const expected = numbered(500);
      const sends = expected.slice(0, 250).map((one) => producer.send({ payload: bytes(one) }));
      await producer.sendAll(expected.slice(250, 400).map((one) => ({ payload: bytes(one) })));
      for (const one of expected.slice(400)) sends.push(producer.send({ payload: bytes(one) }));
      await Promise.all(sends);
      assert.deepEqual(texts(await receive(subject, consumer, 500)), expected);
    },
  },
  {
    name: 'every send gets an id of its own',
    run: async (subject) => {
      const topic = subject.uniqueName('ids');
      const producer = await subject.broker.createProducer({ topic });
      const ids = await Promise.all(numbered(100).map((one) => producer.send({ payload: bytes(one) })));
      assert.equal(new Set(ids).size, 100);
    },
  },
  {
    name: 'sendAll of nothing resolves',
    run: async (subject) => {
      const producer = await subject.broker.createProducer({ topic: subject.uniqueName('nothing') });
      await producer.sendAll([]);
      await producer.flush();
    },
  },
  {
    name: 'flush resolves after every send before it has settled',
    run: async (subject) => {
      const producer = await subject.broker.createProducer({ topic: subject.uniqueName('flush') });
      let settled = 0;
      const sends = numbered(50).map((one) =>
        producer.send({ payload: bytes(one) }).then(() => {
          settled += 1;
        }),
      );
      await producer.flush();
      await Promise.resolve();
      assert.equal(settled, 50);
      await Promise.all(sends);
    },
  },
  {
    name: 'closing a producer stores what was sent before',
    run: async (subject) => {
      const topic = subject.uniqueName('close-flushes');
      const consumer = await subscribe(subject, topic);
      const producer = await subject.broker.createProducer({ topic });
      let settled = 0;
      const sends = numbered(20).map((one) =>
        producer.send({ payload: bytes(one) }).then(() => {
          settled += 1;
        }),
      );
      await producer.close();
      await Promise.resolve();
      assert.equal(settled, 20, 'close did not wait for the sends');
      await producer.close();
      await Promise.all(sends);
      assert.deepEqual(texts(await receive(subject, consumer, 20)), numbered(20));
    },
  },
  {
    name: 'a send after close is refused',
    run: async (subject) => {
      const producer = await subject.broker.createProducer({ topic: subject.uniqueName('closed-producer') });
      await producer.close();
      await rejectsWith(producer.send({ payload: bytes('late') }), 'FAILED_PRECONDITION');
      await rejectsWith(producer.sendAll([{ payload: bytes('late') }]), 'FAILED_PRECONDITION');
    },
  },
  {
    name: 'messages of one topic are not seen on another',
    run: async (subject) => {
      const consumer = await subscribe(subject, subject.uniqueName('this'));
      await publish(subject, subject.uniqueName('that'), ['elsewhere']);
      await receiveNothing(subject, consumer);
    },
  },
  {
    name: 'what is published with an initial subscription is kept for it, though nobody had subscribed',
    run: async (subject) => {
      const topic = subject.uniqueName('kept');
      const producer = await subject.broker.createProducer({ topic, initialSubscription: 'sub' });
      await producer.send({ payload: bytes('first') });
      await producer.close();
      // It would begin after the last message if it were only made now.
      const reading = { type: 'shared', initialPosition: 'latest' } as const;
      const consumer = await subscribe(subject, topic, reading);
      const [first, ...others] = await receive(subject, consumer, 1);
      assert.ok(first !== undefined && others.length === 0);
      assert.deepEqual([...texts([first]), first.redeliveryCount], ['first', 0]);
      await consumer.acknowledge([first]);
      await consumer.close();
      const again = await subject.broker.createProducer({ topic, initialSubscription: 'sub' });
      await again.send({ payload: bytes('second') });
      assert.deepEqual(texts(await receive(subject, await subscribe(subject, topic, reading), 1)), ['second']);
    },
  },
  {
    name: 'an initial subscription that somebody has for himself is left to him',
    run: async (subject) => {
      const topic = subject.uniqueName('kept-exclusive');
      const consumer = await subscribe(subject, topic, { type: 'exclusive' });
      const producer = await subject.broker.createProducer({ topic, initialSubscription: 'sub' });
      await producer.send({ payload: bytes('x') });
      const messages = await receive(subject, consumer, 1);
      assert.deepEqual(texts(messages), ['x']);
      await consumer.acknowledge(messages);
    },
  },
  {
    name: 'an initial subscription wants a name',
    run: async (subject) => {
      const topic = subject.uniqueName('kept-nameless');
      await rejectsWith(subject.broker.createProducer({ topic, initialSubscription: '' }), 'INVALID_ARGUMENT', 'BAD_OPTIONS');
    },
  },
  {
    name: 'a payload may be reused by its owner once the send has settled',
    run: async (subject) => {
      const topic = subject.uniqueName('reuse');
      const producer = await subject.broker.createProducer({ topic });
      const payload = bytes('original');
      await producer.send({ payload });
      payload.fill(0);
      const consumer = await subscribe(subject, topic);
      assert.deepEqual(texts(await receive(subject, consumer, 1)), ['original']);
    },
  },
];
