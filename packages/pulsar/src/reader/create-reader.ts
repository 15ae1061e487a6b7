import type { ClientContext } from '../client/context.ts';
import { SetConsumer } from '../consumer/consumer.ts';
import { invalid, randomName, resolveSettings } from '../consumer/options.ts';
import type { ReceiveOptions } from '../consumer/port.ts';
import type { TopicConsumer } from '../consumer/topic-consumer.ts';
import { TopicSet } from '../consumer/topic-set.ts';
import { parseTopicName } from '../lookup/topic-name.ts';
import type { Message } from '../message/message.ts';
import { MessageId } from '../message/message-id.ts';
import type { Reader, ReaderOptions } from './port.ts';

/** A reader, which is closed together with the client that `context` is of. See `PulsarClient.createReader`. */
export async function createReader<T = Buffer>(context: ClientContext, options: ReaderOptions<T>): Promise<Reader<T>> {
  const { subscriptionRolePrefix, start = 'latest', startInclusive = false, schema, topic: _topic, ...rest } = options;
  const { full: topic } = parseTopicName(options.topic);
  const subscription = `${subscriptionRolePrefix === undefined ? '' : `${subscriptionRolePrefix}-`}reader-${randomName()}`;
  const settings = resolveSettings({ ...rest, subscription, type: 'exclusive' });
  if (settings.receiverQueueSize < 1) throw invalid('receiverQueueSize', settings.receiverQueueSize, 'a reader asks for 1 at least');
  const set = new TopicSet<T>({
    context,
    settings,
    schema,
    start: { position: start, inclusive: startInclusive },
    forceTopicCreation: true,
    mayVanish: false,
  });
  const release = context.onClose(() => consumer.close());
  const consumer = new SetConsumer<T>({ settings, set, letters: undefined, onClose: release });
  try {
    await set.add([topic]);
  } catch (error) {
    await consumer.close();
    throw error;
  }

  async function hasMessageAvailable(): Promise<boolean> {
    const each = await Promise.all(set.consumers.map(isBehind));
    return each.some((behind) => behind);
  }

  function receive(wait?: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: undefined }): Promise<Message<T>>;
  function receive(wait: ReceiveOptions): Promise<Message<T> | undefined>;
  function receive(wait: ReceiveOptions = {}): Promise<Message<T> | undefined> {
    return consumer.receive(wait);
  }

  return {
    topic,
    get connected() {
      return consumer.connected;
    },
    readNext: receive,
    receive,
    receiveBatch: (limits) => consumer.receiveBatch(limits),
    hasMessageAvailable,
    seek: (position, how) => consumer.seek(position, how),
    lastMessageIds: () => consumer.lastMessageIds(),
    close: () => consumer.close(),
    [Symbol.asyncIterator]: () => consumer[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: () => consumer.close(),
  };
}

/** Whether the topic holds more than was read of it. */
async function isBehind<T>(consumer: TopicConsumer<T>): Promise<boolean> {
  if (consumer.hasQueued) return true;
  const { id: last, markDelete } = await consumer.last();
  if (consumer.hasQueued) return true;
  if (last.entryId < 0n) return false;
  const { position } = consumer;
  const taken = position?.lastTaken;
  if (taken !== undefined) return last.compareTo(taken) > 0;
  const start = position?.start;
  if (start === undefined || start.position === 'earliest') return true;
  if (MessageId.is(start.position)) {
    const order = last.compareTo(start.position);
    return start.inclusive ? order >= 0 : order > 0;
  }
  // Where a time, or the end at some moment, lies only the broker knows.
  return markDelete === undefined || last.ledgerId !== markDelete.ledgerId
    ? last.ledgerId > (markDelete?.ledgerId ?? -1n)
    : last.entryId > markDelete.entryId;
}
