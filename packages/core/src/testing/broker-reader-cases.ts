import assert from 'node:assert/strict';
import type { BrokerCase } from './broker-subject.ts';
import { numbered, publish, publishTogether, receive, receiveNothing, rejectsWith, subscribe, texts } from './broker-subject.ts';

/** Readers: every one gets every message. */
export const readerCases: readonly BrokerCase[] = [
  {
    name: 'every reader gets every message that is published after it was made',
    run: async (subject) => {
      const topic = subject.uniqueName('readers');
      await publish(subject, topic, ['before']);
      const readers = [await subject.broker.createReader({ topic }), await subject.broker.createReader({ topic })];
      await publish(subject, topic, numbered(10));
      for (const reader of readers) {
        assert.deepEqual(texts(await receive(subject, reader, 10)), numbered(10));
        assert.equal(reader.gaps, 0);
      }
    },
  },
  {
    name: 'readers do not take from subscriptions, nor subscriptions from readers',
    run: async (subject) => {
      const topic = subject.uniqueName('reader-and-sub');
      const consumer = await subscribe(subject, topic);
      const reader = await subject.broker.createReader({ topic });
      await publish(subject, topic, numbered(4));
      await consumer.acknowledge(await receive(subject, consumer, 4));
      assert.deepEqual(texts(await receive(subject, reader, 4)), numbered(4));
    },
  },
  {
    name: 'a reader from earliest reads what is kept, then what comes',
    run: async (subject) => {
      const topic = subject.uniqueName('reader-earliest');
      await publish(subject, topic, numbered(3));
      const reader = await subject.broker.createReader({ topic, start: 'earliest' });
      assert.deepEqual(texts(await receive(subject, reader, 3)), numbered(3));
      await publish(subject, topic, ['m3']);
      assert.deepEqual(texts(await receive(subject, reader, 1)), ['m3']);
    },
  },
  {
    name: 'a reader from a message begins with that message',
    run: async (subject) => {
      const topic = subject.uniqueName('reader-id');
      const ids = await publish(subject, topic, numbered(6));
      const reader = await subject.broker.createReader({ topic, start: { messageId: ids[4] ?? '' } });
      assert.deepEqual(texts(await receive(subject, reader, 2)), ['m4', 'm5']);
    },
  },
  {
    name: 'a reader from a message that was sent together with others begins with that message',
    run: async (subject) => {
      const topic = subject.uniqueName('reader-together');
      await publish(subject, topic, ['before']);
      const ids = await publishTogether(subject, topic, numbered(6));
      for (const at of [4, 5, 0]) {
        const reader = await subject.broker.createReader({ topic, start: { messageId: ids[at] ?? '' } });
        assert.deepEqual(texts(await receive(subject, reader, 6 - at)), numbered(6).slice(at));
        await receiveNothing(subject, reader);
      }
    },
  },
  {
    name: 'a reader from a time begins with the first message published then or after',
    needs: ['seekByTime'],
    run: async (subject) => {
      const topic = subject.uniqueName('reader-time');
      await publish(subject, topic, ['old']);
      await subject.clock.sleep(200);
      await publish(subject, topic, ['new']);
      const all = await subject.broker.createReader({ topic, start: 'earliest' });
      const [, second] = await receive(subject, all, 2);
      const reader = await subject.broker.createReader({ topic, start: { timeMs: second?.publishTimeMs ?? 0 } });
      assert.deepEqual(texts(await receive(subject, reader, 1)), ['new']);
    },
  },
  {
    name: 'several receives may wait on one reader',
    run: async (subject) => {
      const topic = subject.uniqueName('reader-waiters');
      const reader = await subject.broker.createReader({ topic });
      const waiting = numbered(3).map(() => receive(subject, reader, 1));
      await publish(subject, topic, numbered(3));
      assert.deepEqual(texts((await Promise.all(waiting)).flat()).sort(), numbered(3));
    },
  },
  {
    name: 'a reader’s receive can be aborted, and nothing is lost by it',
    run: async (subject) => {
      const topic = subject.uniqueName('reader-abort');
      const reader = await subject.broker.createReader({ topic });
      await receiveNothing(subject, reader);
      await publish(subject, topic, numbered(2));
      assert.deepEqual(texts(await receive(subject, reader, 2)), numbered(2));
    },
  },
  {
    name: 'closing a reader rejects who waits on it, and may be done twice',
    run: async (subject) => {
      const reader = await subject.broker.createReader({ topic: subject.uniqueName('reader-close') });
      const waiting = rejectsWith(reader.receive(1), 'CANCELED');
      await reader.close();
      await reader.close();
      await waiting;
      await rejectsWith(reader.receive(1), 'CANCELED');
    },
  },
];
