import assert from 'node:assert/strict';
import type { BrokerCase } from './broker-subject.ts';
import {
  backlogIs,
  bytes,
  numbered,
  publish,
  publishTogether,
  receive,
  receiveNothing,
  rejectsWith,
  subscribe,
  text,
  texts,
} from './broker-subject.ts';

/** Durable subscriptions: where they begin, what acknowledging does, what outlives a consumer. */
export const cursorCases: readonly BrokerCase[] = [
  {
    name: 'a new subscription from earliest gets what was published before it',
    run: async (subject) => {
      const topic = subject.uniqueName('earliest');
      await publish(subject, topic, numbered(5));
      const consumer = await subscribe(subject, topic, { initialPosition: 'earliest' });
      assert.deepEqual(texts(await receive(subject, consumer, 5)), numbered(5));
    },
  },
  {
    name: 'a new subscription begins with what is published after it, unless told otherwise',
    run: async (subject) => {
      const topic = subject.uniqueName('latest');
      await publish(subject, topic, ['before']);
      const consumer = await subject.broker.subscribe({ topic, subscription: 'sub' });
      await publish(subject, topic, ['after']);
      assert.deepEqual(texts(await receive(subject, consumer, 1)), ['after']);
    },
  },
  {
    name: 'a subscription that exists goes on where it was, whatever initial position is asked for',
    run: async (subject) => {
      const topic = subject.uniqueName('resume');
      const first = await subscribe(subject, topic);
      await publish(subject, topic, numbered(6));
      await first.acknowledge(await receive(subject, first, 4));
      await first.close();
      await publish(subject, topic, ['m6']);
      const second = await subscribe(subject, topic, { initialPosition: 'latest' });
      assert.deepEqual(texts(await receive(subject, second, 3)), ['m4', 'm5', 'm6']);
    },
  },
  {
    name: 'two subscriptions each get every message, and acknowledge for themselves',
    run: async (subject) => {
      const topic = subject.uniqueName('independent');
      const one = await subscribe(subject, topic, { subscription: 'one' });
      const two = await subscribe(subject, topic, { subscription: 'two' });
      await publish(subject, topic, numbered(10));
      await one.acknowledge(await receive(subject, one, 10));
      assert.deepEqual(texts(await receive(subject, two, 10)), numbered(10));
      await backlogIs(subject, one, 0);
      await backlogIs(subject, two, 10);
    },
  },
  {
    name: 'acknowledging twice, or nothing, does no harm',
    run: async (subject) => {
      const topic = subject.uniqueName('ack-twice');
      const consumer = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, numbered(3));
      const messages = await receive(subject, consumer, 3);
      await consumer.acknowledge(messages.slice(0, 2));
      await consumer.acknowledge(messages.slice(0, 2));
      await consumer.acknowledge([]);
      await backlogIs(subject, consumer, 1);
    },
  },
  {
    name: 'what was acknowledged out of order stays acknowledged: only the rest comes again',
    run: async (subject) => {
      const topic = subject.uniqueName('holes');
      const first = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, numbered(20));
      const messages = await receive(subject, first, 20);
      await first.acknowledge(messages.filter((_, index) => index % 3 !== 0));
      await first.close();
      const second = await subscribe(subject, topic, { type: 'shared' });
      const again = await receive(subject, second, 7);
      assert.deepEqual(
        texts(again).sort(),
        numbered(20)
          .filter((_, index) => index % 3 === 0)
          .sort(),
      );
      await receiveNothing(subject, second);
    },
  },
  {
    name: 'backlog counts what is not acknowledged, delivered or not',
    needs: ['backlog'],
    run: async (subject) => {
      const topic = subject.uniqueName('backlog');
      const consumer = await subscribe(subject, topic);
      assert.equal(await consumer.backlog(), 0);
      await publish(subject, topic, numbered(10));
      await backlogIs(subject, consumer, 10);
      const messages = await receive(subject, consumer, 6);
      assert.equal(await consumer.backlog(), 10);
      await consumer.acknowledge(messages);
      await backlogIs(subject, consumer, 4);
    },
  },
  {
    name: 'a subscription that was removed begins anew',
    run: async (subject) => {
      const topic = subject.uniqueName('unsubscribe');
      const first = await subscribe(subject, topic);
      await publish(subject, topic, numbered(3));
      await receive(subject, first, 1);
      await first.unsubscribe();
      const second = await subscribe(subject, topic, { initialPosition: 'latest' });
      await backlogIs(subject, second, 0);
      await publish(subject, topic, ['new']);
      assert.deepEqual(texts(await receive(subject, second, 1)), ['new']);
    },
  },
  {
    name: 'no more than maxUnacknowledged messages are in a consumer’s hands; acknowledging makes room',
    run: async (subject) => {
      const topic = subject.uniqueName('flow');
      const consumer = await subscribe(subject, topic, { maxUnacknowledged: 5 });
      await publish(subject, topic, numbered(12));
      const first = await receive(subject, consumer, 5);
      await receiveNothing(subject, consumer);
      await consumer.acknowledge(first.slice(0, 2));
      assert.deepEqual(texts(await receive(subject, consumer, 2)), ['m5', 'm6']);
      await receiveNothing(subject, consumer);
    },
  },
  {
    name: 'a consumer that may hold few messages gets all that were sent together, in order',
    run: async (subject) => {
      const topic = subject.uniqueName('few-together');
      const consumer = await subscribe(subject, topic, { maxUnacknowledged: 3 });
      await publishTogether(subject, topic, numbered(10));
      const got: string[] = [];
      while (got.length < 10) {
        const messages = await receive(subject, consumer, Math.min(3, 10 - got.length));
        got.push(...texts(messages));
        await consumer.acknowledge(messages);
      }
      assert.deepEqual(got, numbered(10));
    },
  },
  {
    name: 'acknowledging wakes a receive that waits for room',
    run: async (subject) => {
      const topic = subject.uniqueName('flow-wakes');
      const consumer = await subscribe(subject, topic, { maxUnacknowledged: 1 });
      await publish(subject, topic, numbered(2));
      const first = await receive(subject, consumer, 1);
      const second = receive(subject, consumer, 1);
      await consumer.acknowledge(first);
      assert.deepEqual(texts(await second), ['m1']);
    },
  },
  {
    name: 'receive gives at most as many as asked for, in order',
    run: async (subject) => {
      const topic = subject.uniqueName('max');
      const consumer = await subscribe(subject, topic);
      await publish(subject, topic, numbered(7));
      const got: string[] = [];
      while (got.length < 7) {
        const batch = await consumer.receive(3);
        assert.ok(batch.length >= 1 && batch.length <= 3, `a batch of ${batch.length}`);
        got.push(...texts(batch));
      }
      assert.deepEqual(got, numbered(7));
    },
  },
  {
    name: 'several receives may wait at once, and each message goes to one of them',
    run: async (subject) => {
      const topic = subject.uniqueName('waiters');
      const consumer = await subscribe(subject, topic);
      const waiting = numbered(4).map(() => receive(subject, consumer, 1));
      await publish(subject, topic, numbered(4));
      assert.deepEqual((await Promise.all(waiting)).flat().map(text).sort(), numbered(4));
    },
  },
  {
    name: 'a receive that is aborted rejects with the signal’s reason and loses nothing',
    run: async (subject) => {
      const topic = subject.uniqueName('abort');
      const consumer = await subscribe(subject, topic);
      const controller = new AbortController();
      const waiting = consumer.receive(10, controller.signal);
      const reason = new Error('no longer needed');
      controller.abort(reason);
      await assert.rejects(waiting, (error: unknown) => error === reason);
      await assert.rejects(consumer.receive(10, controller.signal), (error: unknown) => error === reason);
      await publish(subject, topic, numbered(3));
      assert.deepEqual(texts(await receive(subject, consumer, 3)), numbered(3));
    },
  },
  {
    name: 'aborting receives while messages arrive loses and repeats nothing',
    run: async (subject) => {
      const topic = subject.uniqueName('abort-race');
      const consumer = await subscribe(subject, topic);
      const producer = await subject.broker.createProducer({ topic });
      const got: string[] = [];
      const sends: Promise<unknown>[] = [];
      for (let i = 0; i < 40; i++) {
        const controller = new AbortController();
        const waiting = consumer.receive(2, controller.signal).then(
          (messages) => got.push(...texts(messages)),
          () => 0,
        );
        const sent = producer.send({ payload: bytes(`m${i}`) });
        sends.push(sent);
        if (i % 2 === 0) await sent;
        controller.abort(new Error('enough'));
        await waiting;
      }
      await Promise.all(sends);
      if (got.length < 40) got.push(...texts(await receive(subject, consumer, 40 - got.length)));
      assert.deepEqual(got, numbered(40));
    },
  },
  {
    name: 'acknowledging resolves only for what it can keep: after close it is refused',
    run: async (subject) => {
      const topic = subject.uniqueName('ack-closed');
      const first = await subscribe(subject, topic);
      await publish(subject, topic, ['x']);
      const messages = await receive(subject, first, 1);
      await first.close();
      await rejectsWith(first.acknowledge(messages), 'CANCELED');
      const second = await subscribe(subject, topic);
      assert.deepEqual(texts(await receive(subject, second, 1)), ['x']);
    },
  },
];
