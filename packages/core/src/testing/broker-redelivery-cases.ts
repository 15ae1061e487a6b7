import assert from 'node:assert/strict';
import { deadLetterSubscription } from '../broker/dead-letters.ts';
import type { IncomingMessage } from '../broker/port.ts';
import type { BrokerCase, BrokerUnderTest } from './broker-subject.ts';
import {
  backlogIs,
  bytes,
  eventually,
  numbered,
  publish,
  quietMs,
  receive,
  receiveFromAll,
  receiveNothing,
  subscribe,
  text,
  texts,
} from './broker-subject.ts';

/** Timers of a broker may be this much early, in milliseconds. */
const toleranceMs = 60;

/** A consumer leaves with messages in hand, of which it acknowledged one: what it left, and what another one got after it. */
async function takeOver(subject: BrokerUnderTest): Promise<{ readonly left: IncomingMessage[]; readonly again: IncomingMessage[] }> {
  const topic = subject.uniqueName('leave');
  const first = await subscribe(subject, topic, { type: 'shared' });
  const second = await subscribe(subject, topic, { type: 'shared', maxUnacknowledged: 100 });
  await publish(subject, topic, numbered(40));
  const [taken = []] = await receiveFromAll(subject, [first, second], 40);
  const [acknowledged, ...left] = taken;
  assert.ok(acknowledged !== undefined && left.length > 0, 'the first consumer got too few messages');
  await first.acknowledge([acknowledged]);
  await first.close();
  const again = await receive(subject, second, left.length);
  await receiveNothing(subject, second);
  return { left, again };
}

/** Giving back, delays, dead letters. */
export const redeliveryCases: readonly BrokerCase[] = [
  {
    name: 'what a consumer had and did not acknowledge comes to the next one, and nothing else',
    run: async (subject) => {
      const { left, again } = await takeOver(subject);
      assert.deepEqual(again.map((message) => message.id).sort(), left.map((message) => message.id).sort());
    },
  },
  {
    name: 'what a consumer had and did not acknowledge comes with a higher redelivery count',
    needs: ['departureCount'],
    run: async (subject) => {
      const { again } = await takeOver(subject);
      for (const message of again) assert.equal(message.redeliveryCount, 1, `${text(message)} was delivered once before`);
    },
  },
  {
    name: 'what an exclusive consumer did not acknowledge comes again to its successor, in order',
    run: async (subject) => {
      const topic = subject.uniqueName('leave-exclusive');
      const first = await subscribe(subject, topic);
      await publish(subject, topic, numbered(6));
      await receive(subject, first, 3);
      await first.close();
      const second = await subscribe(subject, topic);
      assert.deepEqual(texts(await receive(subject, second, 6)), numbered(6));
    },
  },
  {
    name: 'a message given back comes again after its delay, with a redelivery count one higher each time',
    run: async (subject) => {
      const topic = subject.uniqueName('nack');
      const consumer = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, ['x']);
      let messages = await receive(subject, consumer, 1);
      for (const count of [1, 2, 3]) {
        const givenBack = subject.clock.monotonic();
        consumer.negativeAcknowledge(messages, 300);
        messages = await receive(subject, consumer, 1);
        assert.ok(subject.clock.monotonic() - givenBack >= 300 - toleranceMs, 'it came before its delay was over');
        assert.equal(messages[0]?.redeliveryCount, count);
      }
      await consumer.acknowledge(messages);
      await receiveNothing(subject, consumer);
    },
  },
  {
    name: 'a message given back does not hold up others',
    run: async (subject) => {
      const topic = subject.uniqueName('nack-others');
      const consumer = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, ['x']);
      consumer.negativeAcknowledge(await receive(subject, consumer, 1), 1_000);
      await publish(subject, topic, ['y']);
      assert.deepEqual(texts(await receive(subject, consumer, 2)), ['y', 'x']);
    },
  },
  {
    name: 'giving back twice delivers once; giving back after an acknowledgement does nothing',
    run: async (subject) => {
      const topic = subject.uniqueName('nack-twice');
      const consumer = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, numbered(2));
      const [one, two] = await receive(subject, consumer, 2);
      assert.ok(one !== undefined && two !== undefined);
      await consumer.acknowledge([one]);
      consumer.negativeAcknowledge([one, two], 100);
      consumer.negativeAcknowledge([two], 100);
      const again = await receive(subject, consumer, 1);
      assert.equal(again[0]?.id, two.id);
      await receiveNothing(subject, consumer);
    },
  },
  {
    name: 'giving back an earlier delivery of a message does nothing to a later one',
    run: async (subject) => {
      const topic = subject.uniqueName('nack-stale');
      const consumer = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, ['x']);
      const first = await receive(subject, consumer, 1);
      consumer.negativeAcknowledge(first, 50);
      const second = await receive(subject, consumer, 1);
      consumer.negativeAcknowledge(first, 0);
      await receiveNothing(subject, consumer);
      consumer.negativeAcknowledge(second, 0);
      assert.equal((await receive(subject, consumer, 1))[0]?.redeliveryCount, 2);
    },
  },
  {
    name: 'acknowledging an earlier delivery of a message is enough',
    run: async (subject) => {
      for (const type of ['shared', 'key-shared'] as const) {
        const topic = subject.uniqueName('ack-earlier');
        const consumer = await subscribe(subject, topic, { type });
        await publish(subject, topic, [{ payload: bytes('x'), key: 'k' }]);
        const [message] = await receive(subject, consumer, 1);
        assert.ok(message !== undefined);
        consumer.negativeAcknowledge([message], 300);
        await consumer.acknowledge([message]);
        await receiveNothing(subject, consumer, 1_000);
        await consumer.close();
      }
    },
  },
  {
    name: 'what an exclusive consumer gives back comes again, in order',
    run: async (subject) => {
      const topic = subject.uniqueName('nack-exclusive');
      const consumer = await subscribe(subject, topic);
      await publish(subject, topic, numbered(4));
      const [first, second, third, fourth] = await receive(subject, consumer, 4);
      assert.ok(first !== undefined && second !== undefined && third !== undefined && fourth !== undefined);
      consumer.negativeAcknowledge([third, first, fourth], 100);
      await consumer.acknowledge([second]);
      assert.deepEqual(texts(await receive(subject, consumer, 3)), ['m0', 'm2', 'm3']);
    },
  },
  {
    name: 'a short delay is not held up by a long one',
    run: async (subject) => {
      const topic = subject.uniqueName('nack-sooner');
      const consumer = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, numbered(2));
      const [late, soon] = await receive(subject, consumer, 2);
      assert.ok(late !== undefined && soon !== undefined);
      const started = subject.clock.monotonic();
      consumer.negativeAcknowledge([late], 8_000);
      const waiting = receive(subject, consumer, 1);
      await subject.clock.sleep(50);
      consumer.negativeAcknowledge([soon], 300);
      assert.deepEqual(texts(await waiting), [text(soon)]);
      assert.ok(subject.clock.monotonic() - started < 6_000, 'it came only with the other');
    },
  },
  {
    name: 'giving back makes room under maxUnacknowledged',
    run: async (subject) => {
      const topic = subject.uniqueName('nack-room');
      const consumer = await subscribe(subject, topic, { type: 'shared', maxUnacknowledged: 1 });
      await publish(subject, topic, numbered(2));
      consumer.negativeAcknowledge(await receive(subject, consumer, 1), 2_000);
      assert.deepEqual(texts(await receive(subject, consumer, 1)), ['m1']);
    },
  },
  {
    name: 'a delayed message is not delivered before its time, and does not hold up others',
    needs: ['delayedDelivery'],
    run: async (subject) => {
      for (const type of ['shared', 'key-shared'] as const) {
        const topic = subject.uniqueName('delayed');
        const consumer = await subscribe(subject, topic, { type });
        const dueMs = subject.clock.now() + 1_500;
        await publish(subject, topic, [
          { payload: bytes('later'), key: 'k', deliverAtMs: dueMs },
          { payload: bytes('now'), key: 'k' },
        ]);
        assert.deepEqual(texts(await receive(subject, consumer, 1)), ['now']);
        assert.deepEqual(texts(await receive(subject, consumer, 1)), ['later']);
        assert.ok(subject.clock.now() >= dueMs - toleranceMs, `${type}: it came before its time`);
      }
    },
  },
  {
    name: 'a delayed message whose time has passed is delivered at once',
    needs: ['delayedDelivery'],
    run: async (subject) => {
      const topic = subject.uniqueName('delay-passed');
      const consumer = await subscribe(subject, topic, { type: 'shared' });
      await publish(subject, topic, [{ payload: bytes('x'), deliverAtMs: subject.clock.now() - 1 }]);
      assert.deepEqual(texts(await receive(subject, consumer, 1)), ['x']);
    },
  },
  {
    name: 'delayed messages come in the order of their times',
    needs: ['delayedDelivery'],
    run: async (subject) => {
      const topic = subject.uniqueName('delay-order');
      const consumer = await subscribe(subject, topic, { type: 'shared' });
      const now = subject.clock.now();
      await publish(
        subject,
        topic,
        [2_400, 600, 1_500].map((delay) => ({ payload: bytes(String(delay)), deliverAtMs: now + delay })),
      );
      const got: string[] = [];
      while (got.length < 3) got.push(...texts(await receive(subject, consumer, 1)));
      assert.deepEqual(got, ['600', '1500', '2400']);
    },
  },
  {
    name: 'an exclusive consumer gets a delayed message at once',
    needs: ['delayedDelivery'],
    run: async (subject) => {
      const topic = subject.uniqueName('delay-exclusive');
      const consumer = await subscribe(subject, topic);
      await publish(subject, topic, [{ payload: bytes('x'), deliverAtMs: subject.clock.now() + 3_600_000 }]);
      assert.deepEqual(texts(await receive(subject, consumer, 1)), ['x']);
    },
  },
  {
    name: 'a message delivered too often is kept in the dead-letter topic, though nobody has subscribed there',
    needs: ['deadLetter'],
    run: async (subject) => {
      for (const subscription of [undefined, 'morgue']) {
        const [topic, deadLetters] = [subject.uniqueName('poison'), subject.uniqueName('dead')];
        const deadLetter = { topic: deadLetters, maxRedeliveries: 0, ...(subscription === undefined ? {} : { subscription }) };
        const consumer = await subscribe(subject, topic, { type: 'shared', deadLetter });
        await publish(subject, topic, ['poison']);
        consumer.negativeAcknowledge(await receive(subject, consumer, 1), 50);
        // Moved by a receive that brings nothing.
        await receiveNothing(subject, consumer, 3 * quietMs);
        const letters = await subscribe(subject, deadLetters, {
          subscription: subscription ?? deadLetterSubscription,
          initialPosition: 'latest',
        });
        assert.deepEqual(texts(await receive(subject, letters, 1)), ['poison']);
      }
    },
  },
  {
    name: 'a message delivered too often goes to the dead-letter topic as it is, and no longer counts',
    needs: ['deadLetter'],
    run: async (subject) => {
      const topic = subject.uniqueName('poison');
      const deadLetters = subject.uniqueName('dead');
      const dead = await subscribe(subject, deadLetters);
      const consumer = await subscribe(subject, topic, { type: 'shared', deadLetter: { topic: deadLetters, maxRedeliveries: 2 } });
      await publish(subject, topic, [{ payload: bytes('poison'), key: 'k', properties: { a: 'b' } }, 'good']);
      const counts: number[] = [];
      let moved = false;
      const arrived = receive(subject, dead, 1).then((messages) => {
        moved = true;
        return messages;
      });
      await eventually(subject, 'the message has moved', async () => {
        const stop = new AbortController();
        const timer = subject.clock.setTimer(quietMs, () => stop.abort());
        const messages = await consumer.receive(10, stop.signal).catch(() => []);
        timer.cancel();
        for (const message of messages) {
          if (text(message) === 'good') await consumer.acknowledge([message]);
          else {
            counts.push(message.redeliveryCount);
            consumer.negativeAcknowledge([message], 50);
          }
        }
        return moved;
      });
      assert.deepEqual(counts, [0, 1, 2]);
      const [letter] = await arrived;
      assert.equal(letter === undefined ? '' : text(letter), 'poison');
      assert.equal(letter?.key, 'k');
      assert.equal(letter?.properties['a'], 'b');
      await backlogIs(subject, consumer, 0);
    },
  },
];
