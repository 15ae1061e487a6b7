import { create } from '@bufbuild/protobuf';
import type { ClientContext } from '../client/context.ts';
import { createBackoff } from '../connection/backoff.ts';
import type { Connection } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { type BaseCommand, BaseCommand_Type, BaseCommandSchema } from '../gen/pulsar/wire_pb.ts';

/** What changed in a namespace. */
export interface TopicListChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Options of {@link watchTopicList}. */
export interface WatchOptions {
  readonly context: ClientContext;
  readonly namespace: string;
  readonly pattern: string;
  readonly onChange: (change: TopicListChange) => void;
  /** Changes may have been missed: the list is to be read anew. */
  readonly onGap: () => void;
}

/** Has a broker tell of topics that come and go, as long as it can: without it they have to be looked for. Returns how to end it. */
export function watchTopicList(options: WatchOptions): () => void {
  const { context, namespace, pattern, onChange, onGap } = options;
  const watcherId = context.nextConsumerId();
  const backoff = createBackoff(context.backoff);
  let connection: Connection | undefined;
  let hash: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  function retry(): void {
    connection = undefined;
    if (!ended) timer = setTimeout(start, backoff.next());
  }

  async function watch(): Promise<void> {
    const { connection: found } = await context.pool.connectToService();
    if (ended || !found.features.topicWatchers) return;
    connection = found;
    found.addTopicList(watcherId, {
      onUpdate: ({ newTopics, deletedTopics, topicsHash }) => {
        hash = topicsHash;
        onChange({ added: newTopics, removed: deletedTopics });
      },
      onDisconnected: () => retry(),
    });
    const requestId = found.nextRequestId();
    const answer = await found.request(requestId, watchCommand(watcherId, requestId, namespace, pattern, hash));
    hash = answer.watchTopicListSuccess?.topicsHash;
    backoff.reset();
    onGap();
  }

  function start(): void {
    watch().catch((error: unknown) => {
      // Topics are looked for now and then in any case.
      connection?.removeTopicList(watcherId);
      if (PulsarError.is(error) && error.retryable && connection?.closed !== true) retry();
    });
  }

  start();
  return () => {
    ended = true;
    clearTimeout(timer);
    if (connection === undefined || connection.closed) return;
    connection.removeTopicList(watcherId);
    const requestId = connection.nextRequestId();
    connection.send(
      create(BaseCommandSchema, {
        type: BaseCommand_Type.WATCH_TOPIC_LIST_CLOSE,
        watchTopicListClose: { requestId, watcherId: BigInt(watcherId) },
      }),
    );
  };
}

function watchCommand(watcherId: number, requestId: bigint, namespace: string, pattern: string, hash: string | undefined): BaseCommand {
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.WATCH_TOPIC_LIST,
    watchTopicList: {
      requestId,
      watcherId: BigInt(watcherId),
      namespace,
      topicsPattern: pattern,
      ...(hash === undefined ? {} : { topicsHash: hash }),
    },
  });
}
