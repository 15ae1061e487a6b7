import assert from 'node:assert/strict';
import type { BrokerCase } from './broker-subject.ts';
import { backlogIs, numbered, publish, publishTogether, receive, receiveNothing, subscribe, texts } from './broker-subject.ts';

/** Moving a cursor. */
export const seekCases: readonly BrokerCase[] = [
  {
    name: 'seek to earliest replays what is kept, also what was acknowledged if another subscription still holds it',
    run: async (subject) => {
      const topic = subject.uniqueName('seek-earliest');
      // Holds the messages: without it they may be gone once they are acknowledged.
      await subscribe(subject, topic, { subscription: 'holder' });
      const consumer = await subscribe(subject, topic);
      await publish(subject, topic, numbered(5));
      await consumer.acknowledge(await receive(subject, consumer, 5));
      await consumer.seek('earliest');
      assert.deepEqual(texts(await receive(subject, consumer, 5)), numbered(5));
    },
  },
  {
    name: 'seek to latest skips what is there',
    run: async (subject) => {
      const topic = subject.uniqueName('seek-latest');
      const consumer = await subscribe(subject, topic);
      await publish(subject, topic, numbered(5));
      await receive(subject, consumer, 1);
      await consumer.seek('latest');
      await backlogIs(subject, consumer, 0);
      await publish(subject, topic, ['new']);
      assert.deepEqual(texts(await receive(subject, consumer, 1)), ['new']);
    },
  },
  {
    name: 'seek to a message begins with that message',
    run: async (subject) => {
      const topic = subject.uniqueName('seek-id');
      await subscribe(subject, topic, { subscription: 'holder' });
      const consumer = await subscribe(subject, topic);
      const ids = await publish(subject, topic, numbered(10));
      await consumer.acknowledge(await receive(subject, consumer, 10));
      await consumer.seek({ messageId: ids[6] ?? '' });
      assert.deepEqual(texts(await receive(subject, consumer, 4)), numbered(10).slice(6));
    },
  },
  {
    name: 'seek to a message that was sent together with others begins with that message',
    run: async (subject) => {
      const topic = subject.uniqueName('seek-together');
      await subscribe(subject, topic, { subscription: 'holder' });
      const consumer = await subscribe(subject, topic);
      const ids = await publishTogether(subject, topic, numbered(10));
      await consumer.acknowledge(await receive(subject, consumer, 10));
      for (const at of [6, 3, 9, 0]) {
        await consumer.seek({ messageId: ids[at] ?? '' });
        assert.deepEqual(texts(await receive(subject, consumer, 10 - at)), numbered(10).slice(at));
        await receiveNothing(subject, consumer);
      }
    },
  },
  {
    name: 'seek to a time begins with the first message published then or after',
    needs: ['seekByTime'],
    run: async (subject) => {
      const topic = subject.uniqueName('seek-time');
      await subscribe(subject, topic, { subscription: 'holder' });
      const consumer = await subscribe(subject, topic);
      await publish(subject, topic, ['old']);
      await subject.clock.sleep(200);
      await publish(subject, topic, ['new0', 'new1']);
      const messages = await receive(subject, consumer, 3);
      await consumer.seek({ timeMs: messages[1]?.publishTimeMs ?? 0 });
      assert.deepEqual(texts(await receive(subject, consumer, 2)), ['new0', 'new1']);
      await consumer.seek({ timeMs: (messages[0]?.publishTimeMs ?? 0) + 1 });
      assert.deepEqual(texts(await receive(subject, consumer, 2)), ['new0', 'new1']);
    },
  },
  {
    name: 'seek to a time in the future waits for what comes',
    needs: ['seekByTime'],
    run: async (subject) => {
      const topic = subject.uniqueName('seek-future');
      const consumer = await subscribe(subject, topic);
      await publish(subject, topic, numbered(3));
      await consumer.seek({ timeMs: subject.clock.now() + 3_600_000 });
      await receiveNothing(subject, consumer);
      await publish(subject, topic, ['new']);
      assert.deepEqual(texts(await receive(subject, consumer, 1)), ['new']);
    },
  },
  {
    name: 'acknowledging after a seek what was received before it does nothing',
    run: async (subject) => {
      const topic = subject.uniqueName('seek-stale');
      const consumer = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, numbered(3));
      const stale = await receive(subject, consumer, 3);
      await consumer.seek('earliest');
      await consumer.acknowledge(stale);
      consumer.negativeAcknowledge(stale, 0);
      assert.deepEqual(texts(await receive(subject, consumer, 3)).sort(), numbered(3));
      await backlogIs(subject, consumer, 3);
    },
  },
  {
    name: 'a seek serves a receive that waits',
    run: async (subject) => {
      const topic = subject.uniqueName('seek-waiting');
      const consumer = await subscribe(subject, topic);
      await publish(subject, topic, numbered(2));
      await receive(subject, consumer, 2);
      const waiting = receive(subject, consumer, 2);
      await consumer.seek('earliest');
      assert.deepEqual(texts(await waiting), numbered(2));
    },
  },
  {
    name: 'a seek makes room for as many messages as the consumer may hold',
    run: async (subject) => {
      const topic = subject.uniqueName('seek-room');
      const consumer = await subscribe(subject, topic, { maxUnacknowledged: 2 });
      await publish(subject, topic, numbered(4));
      await receive(subject, consumer, 2);
      await consumer.seek('earliest');
      assert.deepEqual(texts(await receive(subject, consumer, 2)), ['m0', 'm1']);
      await receiveNothing(subject, consumer);
    },
  },
];
