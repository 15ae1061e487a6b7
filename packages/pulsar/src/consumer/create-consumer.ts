import type { ClientContext } from '../client/context.ts';
import type { PulsarError } from '../errors/pulsar-error.ts';
import { parseTopicName } from '../lookup/topic-name.ts';
import { SetConsumer } from './consumer.ts';
import { Letters } from './letters.ts';
import { type ConsumerSettings, invalid, resolveSettings } from './options.ts';
import { PatternSubscription } from './pattern-subscription.ts';
import type { Consumer, ConsumerOptions } from './port.ts';
import { TopicSet } from './topic-set.ts';

/** A consumer, which is closed together with the client that `context` is of. See `PulsarClient.subscribe`. */
export async function createConsumer<T = Buffer>(context: ClientContext, options: ConsumerOptions<T>): Promise<Consumer<T>> {
  const settings = resolveSettings(options);
  const topics = topicsOf(options);
  const letters = lettersOf(context, options, settings, topics[0]);
  const sharing = settings.type === 'shared' || settings.type === 'key_shared';
  const isPattern = options.topicsPattern !== undefined;
  const set = new TopicSet<T>({
    context,
    settings,
    schema: options.schema,
    forceTopicCreation: !isPattern,
    mayVanish: isPattern,
    deadLetter:
      letters === undefined || options.deadLetter === undefined || !sharing
        ? undefined
        : { maxRedeliveries: letters.maxRedeliveries, send: (message) => letters.bury(message) },
  });
  const onError = (error: PulsarError, topic: string): void => settings.events.onError?.(error, topic);
  const pattern = isPattern ? new PatternSubscription({ context, set, options, onError }) : undefined;
  const release = context.onClose(() => consumer.close());
  const onClose = async (): Promise<void> => {
    release();
    await pattern?.close();
  };
  const consumer = new SetConsumer<T>({ settings, set, letters, onClose });
  try {
    await set.add(topics);
    await pattern?.open();
    // Where messages wait they are consumed by whoever is there.
    if (letters?.retryTopic !== undefined) await set.add([letters.retryTopic], { type: 'shared', fresh: true });
  } catch (error) {
    await consumer.close();
    throw error;
  }
  return consumer;
}

function topicsOf<T>(options: ConsumerOptions<T>): readonly string[] {
  if (options.topicsPattern !== undefined) return [];
  const given = options.topic === undefined ? options.topics : [options.topic];
  if (given === undefined || given.length === 0) throw invalid('topics', given, 'give one topic, a list of some, or topicsPattern');
  return [...new Set(given.map((topic) => parseTopicName(topic).full))];
}

function lettersOf<T>(
  context: ClientContext,
  options: ConsumerOptions<T>,
  settings: ConsumerSettings,
  topic: string | undefined,
): Letters | undefined {
  const { deadLetter, retryLetter, schema, receiverQueueSize } = options;
  if (deadLetter === undefined && !retryLetter) return undefined;
  if (receiverQueueSize === 0 && retryLetter)
    throw invalid('receiverQueueSize', 0, 'with a retry topic there is more than one, which needs a queue');
  return new Letters({ context, settings, topic, schema: schema?.info, deadLetter, retryLetter });
}
