import assert from 'node:assert/strict';
import type { BrokerCase, BrokerUnderTest } from './broker-subject.ts';
import { backlogIs, bytes, numbered, publish, receive, receiveNothing, rejectsWith, subscribe, texts } from './broker-subject.ts';

async function restart(subject: BrokerUnderTest): Promise<void> {
  assert.ok(subject.restart !== undefined, 'the subject has the ability `restart` but no restart()');
  await subject.restart();
}

/** Closing, and what is there after a restart. */
export const lifecycleCases: readonly BrokerCase[] = [
  {
    name: 'ping resolves while the broker works',
    run: async (subject) => {
      await subject.broker.ping();
    },
  },
  {
    name: 'closing a consumer rejects who waits on it, and may be done twice',
    run: async (subject) => {
      const consumer = await subscribe(subject, subject.uniqueName('close-consumer'));
      const waiting = [rejectsWith(consumer.receive(1), 'CANCELED'), rejectsWith(consumer.receive(5), 'CANCELED')];
      await consumer.close();
      await consumer.close();
      await Promise.all(waiting);
      await rejectsWith(consumer.receive(1), 'CANCELED');
    },
  },
  {
    name: 'closing the broker closes what was made from it, settles who waits, and may be done twice',
    run: async (subject) => {
      const topic = subject.uniqueName('close-all');
      const { broker } = subject;
      const producer = await broker.createProducer({ topic });
      const consumer = await subscribe(subject, topic);
      const reader = await broker.createReader({ topic });
      const waiting = [rejectsWith(consumer.receive(1), 'CANCELED'), rejectsWith(reader.receive(1), 'CANCELED')];
      await broker.close();
      await broker.close();
      await Promise.all(waiting);
      await rejectsWith(producer.send({ payload: bytes('late') }), 'FAILED_PRECONDITION');
      await rejectsWith(broker.createProducer({ topic }), 'FAILED_PRECONDITION');
      await assert.rejects(broker.ping());
    },
  },
  {
    name: 'sends that are under way when the broker is closed settle',
    run: async (subject) => {
      const producer = await subject.broker.createProducer({ topic: subject.uniqueName('close-sends') });
      const sends = numbered(20).map((one) => producer.send({ payload: bytes(one) }));
      await subject.broker.close();
      const settled = await Promise.allSettled(sends);
      assert.equal(settled.length, 20);
    },
  },
  {
    name: 'what was stored is there after a restart, and ids still stand for the same messages',
    needs: ['durable', 'restart'],
    run: async (subject) => {
      const topic = subject.uniqueName('restart');
      await subscribe(subject, topic, { subscription: 'holder' });
      const properties = { ä: '😀' };
      const ids = await publish(subject, topic, [{ payload: bytes('m0'), key: 'k', properties, eventTimeMs: 5 }, 'm1', 'm2']);
      const before = await receive(subject, await subject.broker.createReader({ topic, start: 'earliest' }), 3);
      await restart(subject);
      const after = await receive(subject, await subject.broker.createReader({ topic, start: 'earliest' }), 3);
      assert.deepEqual(
        after.map(({ id, key, properties: own, eventTimeMs, publishTimeMs }) => ({ id, key, own: { ...own }, eventTimeMs, publishTimeMs })),
        before.map(({ id, key, properties: own, eventTimeMs, publishTimeMs }) => ({
          id,
          key,
          own: { ...own },
          eventTimeMs,
          publishTimeMs,
        })),
      );
      assert.deepEqual(texts(after), numbered(3));
      const reader = await subject.broker.createReader({ topic, start: { messageId: ids[2] ?? '' } });
      assert.deepEqual(texts(await receive(subject, reader, 1)), ['m2']);
    },
  },
  {
    name: 'after a restart exactly what was not acknowledged comes again',
    needs: ['durable', 'restart'],
    run: async (subject) => {
      const topic = subject.uniqueName('restart-acks');
      const first = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, numbered(30));
      const messages = await receive(subject, first, 30);
      await first.acknowledge(messages.filter((_, index) => index < 5 || index % 4 === 0));
      await restart(subject);
      const second = await subscribe(subject, topic, { type: 'shared' });
      const open = numbered(30).filter((_, index) => !(index < 5 || index % 4 === 0));
      assert.deepEqual(texts(await receive(subject, second, open.length)).sort(), open.sort());
      await receiveNothing(subject, second);
      await backlogIs(subject, second, open.length);
    },
  },
  {
    name: 'a topic goes on where it was after a restart, also when all its messages are gone',
    needs: ['durable', 'restart'],
    run: async (subject) => {
      const topic = subject.uniqueName('restart-empty');
      const first = await subscribe(subject, topic);
      const ids = await publish(subject, topic, numbered(10));
      await first.acknowledge(await receive(subject, first, 10));
      await subject.clock.sleep(1_000);
      await restart(subject);
      const second = await subscribe(subject, topic);
      const more = await publish(subject, topic, ['m10']);
      assert.deepEqual(texts(await receive(subject, second, 1)), ['m10']);
      assert.equal(new Set([...ids, ...more]).size, 11, 'an id was given twice');
    },
  },
  {
    name: 'a subscription that was made or removed is so after a restart',
    needs: ['durable', 'restart'],
    run: async (subject) => {
      const topic = subject.uniqueName('restart-subs');
      await subscribe(subject, topic, { subscription: 'kept', initialPosition: 'latest' });
      const [removed, remade] = [
        await subscribe(subject, topic, { subscription: 'removed' }),
        await subscribe(subject, topic, { subscription: 'remade' }),
      ];
      await publish(subject, topic, ['before']);
      await removed.unsubscribe();
      await remade.unsubscribe();
      await subscribe(subject, topic, { subscription: 'remade', initialPosition: 'latest' });
      await publish(subject, topic, ['after']);
      await restart(subject);
      const kept = await subscribe(subject, topic, { subscription: 'kept', initialPosition: 'latest' });
      assert.deepEqual(texts(await receive(subject, kept, 2)), ['before', 'after']);
      const again = await subscribe(subject, topic, { subscription: 'remade', initialPosition: 'latest' });
      assert.deepEqual(texts(await receive(subject, again, 1)), ['after']);
      const anew = await subscribe(subject, topic, { subscription: 'removed', initialPosition: 'latest' });
      await backlogIs(subject, anew, 0);
    },
  },
  {
    name: 'a seek lasts over a restart',
    needs: ['durable', 'restart'],
    run: async (subject) => {
      const topic = subject.uniqueName('restart-seek');
      const first = await subscribe(subject, topic);
      await publish(subject, topic, numbered(4));
      await first.seek('latest');
      await restart(subject);
      const second = await subscribe(subject, topic);
      await backlogIs(subject, second, 0);
      await publish(subject, topic, ['new']);
      assert.deepEqual(texts(await receive(subject, second, 1)), ['new']);
    },
  },
  {
    name: 'a delayed message keeps its time over a restart',
    needs: ['durable', 'restart', 'delayedDelivery'],
    run: async (subject) => {
      const topic = subject.uniqueName('restart-delay');
      await subscribe(subject, topic, { type: 'shared' });
      const dueMs = subject.clock.now() + 3_000;
      await publish(subject, topic, [{ payload: bytes('later'), deliverAtMs: dueMs }]);
      await restart(subject);
      const consumer = await subscribe(subject, topic, { type: 'shared' });
      assert.deepEqual(texts(await receive(subject, consumer, 1)), ['later']);
      assert.ok(subject.clock.now() >= dueMs - 60, 'it came before its time');
    },
  },
];
