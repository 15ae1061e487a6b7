import assert from 'node:assert/strict';
import type { Broker } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { outboxEvent } from '../outbox/event.ts';
import { createSeededRandom } from '../random/seeded-random.ts';
import type { Database, SqlValue, Transaction } from '../sql/port.ts';
import { eventually, quietMs, rejectsWith } from './broker-subject.ts';
import {
  addTexts,
  countPublished,
  crash,
  type DatabaseCase,
  deafBroker,
  freezable,
  leaseMs,
  mortal,
  numberOf,
  outboxOn,
  published,
  restart,
  secondOf,
  textTopic,
  things,
} from './database-subject.ts';
import { losingAnswers } from './losing-answers.ts';

async function rowCount(database: Database): Promise<number> {
  const [row] = await database.query<{ readonly n: number }>(`SELECT count(*) AS n FROM ${database.tables('outbox')}`);
  return row?.n ?? 0;
}

/** The outbox: published if, and only if, committed. */
export const outboxCases: readonly DatabaseCase[] = [
  {
    name: 'outbox: what was committed is published, what was rolled back never is, and the table is empty after',
    run: async (subject) => {
      const { database } = subject;
      const topic = textTopic(subject.uniqueName('commit'));
      const outbox = await outboxOn(subject);
      await database.transaction((tx) => addTexts(outbox, tx, topic, 'a-1', 'b-1'));
      const failing = database.transaction(async (tx) => {
        await addTexts(outbox, tx, topic, 'a-never');
        throw new Error('fails');
      });
      await assert.rejects(failing);
      await database.transaction((tx) => addTexts(outbox, tx, topic, 'a-2'));
      await outbox.flush();
      assert.deepEqual(await published(subject, topic.name, 3), ['a-1', 'b-1', 'a-2']);
      await subject.clock.sleep(quietMs);
      assert.equal(await countPublished(subject, topic.name), 3);
      assert.equal(await rowCount(database), 0);
      assert.equal(outbox.pending, 0);
      await outbox.close();
    },
  },
  {
    name: 'outbox: events of one transaction that come to more than a statement holds are published all, in their order',
    run: async (subject) => {
      const { database } = subject;
      const topic = textTopic(subject.uniqueName('large'));
      const outbox = await outboxOn(subject);
      // Of random digits, for they are compressed: to half of this, in 24 MiB of hexadecimal.
      const random = createSeededRandom(1);
      const digits = (): string => Buffer.from(random.fill(new Uint8Array(1024 * 1024))).toString('hex');
      const texts = Array.from({ length: 12 }, (_, index) => `a-${index}-${digits()}`);
      await database.transaction((tx) => addTexts(outbox, tx, topic, ...texts));
      await outbox.flush();
      const all = await published(subject, topic.name, texts.length);
      assert.deepEqual(
        all.map((text) => text.length),
        texts.map((text) => text.length),
      );
      assert.ok(all.every((text, index) => text === texts[index]));
      assert.equal(await rowCount(database), 0);
      await outbox.close();
    },
  },
  {
    name: 'outbox: of a call that is refused nothing is added, though its transaction commits',
    run: async (subject) => {
      const { database } = subject;
      const topic = textTopic(subject.uniqueName('refused'));
      const outbox = await outboxOn(subject);
      const large = 'x'.repeat(3 * 1024 * 1024);
      await database.transaction(async (tx) => {
        let calls = 0;
        const failing = {
          execute: (sql: string, parameters?: readonly SqlValue[]) => {
            calls += 1;
            if (calls === 2) throw new PaystreamError('INVALID_ARGUMENT', 'too large', { reason: 'VALUE_TOO_LARGE' });
            return tx.execute(sql, parameters);
          },
        } as unknown as Transaction;
        await rejectsWith(addTexts(outbox, failing, topic, `a-1-${large}`, `a-2-${large}`), 'INVALID_ARGUMENT', 'VALUE_TOO_LARGE');
        await addTexts(outbox, tx, topic, 'a-3');
      });
      await outbox.flush();
      assert.deepEqual(await published(subject, topic.name, 1), ['a-3']);
      assert.equal(await rowCount(database), 0);
      await outbox.close();
    },
  },
  {
    name: 'outbox: nothing is published before its transaction has committed',
    run: async (subject) => {
      const { database, broker } = subject;
      const topic = textTopic(subject.uniqueName('before'));
      const outbox = await outboxOn(subject);
      const subscription = await broker.subscribe({ topic: topic.name, subscription: 's', initialPosition: 'earliest' });
      let committed = false;
      const received = subscription.receive(1).then(() => committed);
      await database.transaction(async (tx) => {
        tx.onCommit(() => {
          committed = true;
        });
        await addTexts(outbox, tx, topic, 'a-1');
      });
      assert.equal(await received, true);
      await outbox.close();
    },
  },
  {
    name: 'outbox: events of one key are published in the order of their commits, however many transactions run at once',
    run: async (subject) => {
      const { database } = subject;
      const topic = textTopic(subject.uniqueName('order'));
      const outbox = await outboxOn(subject, { maxBatchSize: 16, maxPendingEvents: 50 });
      const committed: string[] = [];
      await Promise.all(
        Array.from({ length: 150 }, (_, index) =>
          database
            .transaction(async (tx) => {
              const value = `${'abc'[index % 3]}-${index}`;
              await addTexts(outbox, tx, topic, value);
              if (index % 10 === 0) throw new Error('fails');
              tx.onCommit(() => committed.push(value));
            })
            .catch(() => undefined),
        ),
      );
      await outbox.flush();
      const all = await published(subject, topic.name, committed.length);
      for (const key of 'abc') {
        const ofKey = (value: string): boolean => value.startsWith(key);
        assert.deepEqual(all.filter(ofKey), committed.filter(ofKey));
      }
      await outbox.close();
    },
  },
  {
    name: 'outbox: joins a transaction whose end it cannot see, and is told of it or finds it',
    run: async (subject) => {
      const { database } = subject;
      const topic = textTopic(subject.uniqueName('foreign'));
      const outbox = await outboxOn(subject);
      const add = (value: string, fail = false): Promise<{ committed(): void }> =>
        database.transaction(async (tx) => {
          const handle = await outbox.add({ execute: (sql, parameters) => tx.execute(sql, parameters) }, [outboxEvent(topic, value)]);
          if (fail) throw new Error('fails');
          return handle;
        });
      (await add('a-told')).committed();
      assert.deepEqual(await published(subject, topic.name, 1), ['a-told']);
      await add('a-untold');
      await assert.rejects(add('a-never', true));
      assert.deepEqual(await published(subject, topic.name, 2), ['a-told', 'a-untold']);
      await subject.clock.sleep(leaseMs);
      assert.equal(await countPublished(subject, topic.name), 2);
      await outbox.close();
    },
  },
  {
    name: 'outbox: what its process did not publish is published after a restart, before what is new',
    needs: ['restart'],
    run: async (subject) => {
      const topic = textTopic(subject.uniqueName('restart'));
      const dead = mortal(subject.database);
      const before = await outboxOn(subject, { database: dead.database, broker: deafBroker(subject.broker) });
      await subject.database.transaction((tx) => addTexts(before, tx, topic, 'a-1', 'a-2'));
      await subject.database.transaction((tx) => addTexts(before, tx, topic, 'a-3'));
      dead.die();
      await restart(subject);
      const after = await outboxOn(subject);
      await subject.database.transaction((tx) => addTexts(after, tx, topic, 'b-4'));
      const all = await published(subject, topic.name, 4);
      assert.deepEqual(
        all.filter((value) => value.startsWith('a')),
        ['a-1', 'a-2', 'a-3'],
      );
      await after.flush();
      assert.equal(await rowCount(subject.database), 0);
      await after.close();
    },
  },
  {
    name: 'outbox: rows of an instance that died are published by one that lives, once and within two leases',
    needs: ['shared'],
    run: async (subject) => {
      const { clock, database } = subject;
      const topic = textTopic(subject.uniqueName('died'));
      const dead = mortal(secondOf(subject));
      const dying = await outboxOn(subject, { database: dead.database, broker: deafBroker(subject.broker) });
      const heirs = await Promise.all([outboxOn(subject), outboxOn(subject)]);
      await dead.database.transaction((tx) => addTexts(dying, tx, topic, 'a-1', 'a-2'));
      const diedAt = clock.monotonic();
      dead.die();
      await eventually(subject, 'both events are published', async () => (await countPublished(subject, topic.name)) === 2);
      assert.ok(clock.monotonic() - diedAt <= 2 * leaseMs, `${clock.monotonic() - diedAt} ms`);
      await Promise.all(heirs.map((heir) => heir.flush()));
      await clock.sleep(2 * leaseMs);
      assert.deepEqual(await published(subject, topic.name, 2), ['a-1', 'a-2']);
      assert.equal(await countPublished(subject, topic.name), 2);
      assert.equal(await rowCount(database), 0);
      await Promise.all(heirs.map((heir) => heir.close()));
    },
  },
  {
    name: 'outbox: rows of an instance that died are published even if the answer to their take-over was lost',
    needs: ['shared'],
    run: async (subject) => {
      const { database } = subject;
      const topic = textTopic(subject.uniqueName('unknown'));
      const dead = mortal(secondOf(subject));
      const dying = await outboxOn(subject, { database: dead.database, broker: deafBroker(subject.broker) });
      const link = losingAnswers(database);
      const heir = await outboxOn(subject, { database: link.database });
      await dead.database.transaction((tx) => addTexts(dying, tx, topic, 'a-1', 'a-2'));
      link.loseNext(/INSERT.*outbox_epochs/s);
      dead.die();
      await eventually(subject, 'the answer is lost', () => link.lost === 1);
      await eventually(subject, 'both events are published', async () => (await countPublished(subject, topic.name)) === 2);
      assert.deepEqual(await published(subject, topic.name, 2), ['a-1', 'a-2']);
      await heir.flush();
      assert.equal(await rowCount(database), 0);
      await heir.close();
    },
  },
  {
    name: 'outbox: an instance that stood still for longer than its lease publishes nothing that another published meanwhile',
    needs: ['shared'],
    run: async (subject) => {
      const { clock } = subject;
      const topic = textTopic(subject.uniqueName('frozen'));
      const still = freezable(secondOf(subject));
      let thaw = (): void => undefined;
      const thawed = new Promise<void>((resolve) => {
        thaw = resolve;
      });
      const broker: Broker = {
        ...subject.broker,
        createProducer: async (options) => {
          await thawed;
          return subject.broker.createProducer(options);
        },
      };
      const frozen = await outboxOn(subject, { database: still.database, broker });
      const other = await outboxOn(subject);
      await still.database.transaction((tx) => addTexts(frozen, tx, topic, 'a-1', 'a-2'));
      still.freeze();
      await eventually(subject, 'the other publishes', async () => (await countPublished(subject, topic.name)) === 2);
      still.thaw();
      thaw();
      await still.database.transaction((tx) => addTexts(frozen, tx, topic, 'a-3'));
      await eventually(subject, 'it goes on with what is new', async () => (await countPublished(subject, topic.name)) >= 3);
      await clock.sleep(2 * leaseMs);
      assert.deepEqual(await published(subject, topic.name, 3), ['a-1', 'a-2', 'a-3']);
      assert.equal(await countPublished(subject, topic.name), 3);
      await Promise.all([frozen.close(), other.close()]);
    },
  },
  {
    name: 'outbox: two instances that commit at once publish everything once, each key in the order of its commits',
    needs: ['shared'],
    run: async (subject) => {
      const topic = textTopic(subject.uniqueName('two'));
      const both = [
        { database: subject.database, outbox: await outboxOn(subject) },
        { database: secondOf(subject), outbox: await outboxOn(subject, { database: secondOf(subject) }) },
      ];
      const perKey = 20;
      const write = async (index: number, key: string): Promise<void> => {
        const { database, outbox } = both[index] ?? assert.fail();
        for (let n = 0; n < perKey; n++) await database.transaction((tx) => addTexts(outbox, tx, topic, `${key}${index}-${n}`));
      };
      await Promise.all([0, 1].flatMap((index) => ['a', 'b', 'c', 'd'].map((key) => write(index, key))));
      await Promise.all(both.map(({ outbox }) => outbox.flush()));
      const all = await published(subject, topic.name, 8 * perKey);
      for (const key of ['a0', 'b0', 'c0', 'd0', 'a1', 'b1', 'c1', 'd1']) {
        assert.deepEqual(
          all.filter((value) => value.startsWith(key)),
          Array.from({ length: perKey }, (_, n) => `${key}-${n}`),
        );
      }
      assert.equal(await countPublished(subject, topic.name), 8 * perKey);
      assert.equal(await rowCount(subject.database), 0);
      await Promise.all(both.map(({ outbox }) => outbox.close()));
    },
  },
  {
    name: 'outbox: what is committed around a crash of the server is published, and what is not known to be is not forgotten',
    needs: ['outage'],
    run: async (subject) => {
      const { database, clock } = subject;
      const topic = textTopic(subject.uniqueName('crash'));
      const sql = await things(database);
      const name = subject.uniqueName('crash');
      const outbox = await outboxOn(subject);
      let over = false;
      let next = 0;
      const write = async (): Promise<void> => {
        while (!over) {
          const n = next++;
          await database
            .transaction(async (tx) => {
              await tx.execute(sql.insert, [`${name}-${n}`, n, null, null]);
              await addTexts(outbox, tx, topic, `k${n % 5}-${n}`);
            })
            .catch(() => clock.sleep(20));
        }
      };
      const writers = Promise.all(Array.from({ length: 8 }, write));
      await eventually(subject, 'some are published', async () => (await countPublished(subject, topic.name)) > 50);
      const mend = await crash(subject);
      await clock.sleep(quietMs);
      await mend();
      const before = await countPublished(subject, topic.name);
      await eventually(subject, 'more are published', async () => (await countPublished(subject, topic.name)) > before + 50);
      over = true;
      await writers;
      await eventually(subject, 'the table is empty', async () => (await rowCount(database)) === 0);
      const all = new Set(await published(subject, topic.name, await countPublished(subject, topic.name)));
      for (let n = 0; n < next; n++) {
        assert.equal(all.has(`k${n % 5}-${n}`), (await numberOf(database, `${name}-${n}`)) !== undefined, `event ${n}`);
      }
      await outbox.close();
    },
  },
  {
    name: 'outbox: rows of an instance that lives are left to it, however slow its broker is',
    needs: ['shared'],
    run: async (subject) => {
      const { clock } = subject;
      const topic = textTopic(subject.uniqueName('slow'));
      const slow = await outboxOn(subject, { database: secondOf(subject), broker: deafBroker(subject.broker) });
      const other = await outboxOn(subject);
      await secondOf(subject).transaction((tx) => addTexts(slow, tx, topic, 'a-1'));
      await clock.sleep(4 * leaseMs);
      assert.equal(await countPublished(subject, topic.name), 0);
      await slow.close(1);
      await eventually(subject, 'it is published once it was given up', async () => (await countPublished(subject, topic.name)) === 1);
      await other.close();
    },
  },
];
