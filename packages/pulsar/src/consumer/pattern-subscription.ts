import type { ClientContext } from '../client/context.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { parseTopicName } from '../lookup/topic-name.ts';
import { invalid } from './options.ts';
import type { TopicsPatternOptions } from './port.ts';
import { watchTopicList } from './topic-list-watcher.ts';
import { parseTopicPattern, type TopicPattern } from './topic-pattern.ts';
import type { TopicSet } from './topic-set.ts';

const UPDATE_MS = 60_000;

/** Options of {@link PatternSubscription}. */
export interface PatternSubscriptionOptions<T> {
  readonly context: ClientContext;
  readonly set: TopicSet<T>;
  readonly options: TopicsPatternOptions;
  readonly onError: (error: PulsarError, topic: string) => void;
}

/** Keeps a set of topics at those that match a pattern. */
export class PatternSubscription<T> {
  readonly #options: PatternSubscriptionOptions<T>;
  readonly #pattern: TopicPattern;
  readonly #updateMs: number;
  /** One change after another. */
  #work: Promise<void> = Promise.resolve();
  #hash: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #unwatch: (() => void) | undefined;
  #closed = false;

  /** Throws `INVALID_ARGUMENT`. */
  constructor(options: PatternSubscriptionOptions<T>) {
    const { topicsPattern, patternUpdateMs = UPDATE_MS } = options.options;
    if (!(patternUpdateMs >= 1)) throw invalid('patternUpdateMs', patternUpdateMs, 'it is a number of at least 1');
    this.#options = options;
    this.#pattern = parseTopicPattern(topicsPattern);
    this.#updateMs = patternUpdateMs;
  }

  /** Subscribes to what is there, and watches from then on. */
  async open(): Promise<void> {
    const { context, options } = this.#options;
    await this.#subscribe(await this.#list(), false);
    const { namespace, text } = this.#pattern;
    if (text !== undefined && (options.topicsDomain ?? 'persistent') === 'persistent') {
      this.#unwatch = watchTopicList({
        context,
        namespace,
        pattern: text,
        onChange: ({ added, removed }) => this.#enqueue(() => this.#change(added, removed)),
        onGap: () => this.#enqueue(() => this.#refresh()),
      });
    }
    this.#poll();
  }

  /** All topics that match now; `undefined` if nothing has changed. */
  async #list(): Promise<readonly string[] | undefined> {
    const { context, options } = this.#options;
    const { namespace, text } = this.#pattern;
    const hash = this.#hash === undefined ? {} : { hash: this.#hash };
    const found = await context.lookup.topicsOf(
      namespace,
      options.topicsDomain ?? 'persistent',
      text === undefined ? undefined : { text, ...hash },
    );
    if (found === undefined) return undefined;
    this.#hash = found.hash;
    return found.topics.filter((topic) => this.#pattern.matches(topic));
  }

  async #refresh(): Promise<void> {
    const topics = await this.#list();
    if (topics === undefined) return;
    const known = this.#options.set.consumers.map(({ topic }) => topic);
    await this.#change(
      topics,
      known.filter((topic) => !topics.includes(topic)),
    );
  }

  async #change(added: readonly string[], removed: readonly string[]): Promise<void> {
    if (this.#closed) return;
    await Promise.all(removed.map((topic) => this.#options.set.remove(topic)));
    await this.#subscribe(
      added.filter((topic) => this.#pattern.matches(topic)),
      true,
    );
  }

  async #subscribe(topics: readonly string[] | undefined, fresh: boolean): Promise<void> {
    const { set } = this.#options;
    const missing = (topics ?? []).filter((topic) => set.get(topic) === undefined);
    await Promise.all(
      missing.map(async (topic) => {
        try {
          await set.addPartitions([{ topic, partition: parseTopicName(topic).partition }], { fresh });
        } catch (error) {
          // It went away between being found and being subscribed to.
          if (PulsarError.is(error) && error.code === 'TOPIC_NOT_FOUND') return;
          // Looked for again, for which the list has to come in full.
          this.#hash = undefined;
          throw error;
        }
      }),
    );
  }

  #enqueue(change: () => Promise<void>): void {
    this.#work = this.#work.then(change).catch((error: unknown) => {
      if (this.#closed) return;
      const { topicsPattern } = this.#options.options;
      const cause = PulsarError.is(error) ? error : new PulsarError('BROKER', 'topics could not be looked for', { cause: error });
      this.#options.onError(cause, String(topicsPattern));
    });
  }

  #poll(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#enqueue(() => this.#refresh());
      this.#enqueue(async () => this.#poll());
    }, this.#updateMs);
    this.#timer.unref();
  }

  /** Ends it; resolves when nothing more is being subscribed to. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#unwatch?.();
    await this.#work;
  }
}
