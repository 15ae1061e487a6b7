import type { ClientContext } from '../client/context.ts';
import { parseTopicName } from '../lookup/topic-name.ts';
import { createReader } from '../reader/create-reader.ts';
import type { ValueDecoder } from '../schema/port.ts';
import { openTableView, type TableView } from './table-view.ts';

/** Options of `client.createTableView`. */
export interface TableViewOptions<T = Buffer> {
  /** `name`, `tenant/namespace/name`, or with `persistent://` in front; with all its partitions. */
  readonly topic: string;
  /** Decodes values, and is registered with the topic. Default: bytes. */
  readonly schema?: ValueDecoder<T>;
  /** What the name of its subscription begins with. Default: `reader-<random>`. */
  readonly subscriptionRolePrefix?: string;
  /** How many messages are asked for in advance, of each partition; at least 1. Default: 1,000. */
  readonly receiverQueueSize?: number;
  /** How often the number of partitions is asked for, in milliseconds. Default: 60,000. */
  readonly partitionsUpdateMs?: number;
  /**
   * Told of a value that cannot be decoded (its key keeps what it had), a listener that threw, and why the topic cannot be read
   * any more. Default: nobody is.
   */
  readonly onError?: (error: unknown) => void;
}

/** A table view, which is closed together with the client that `context` is of. See `PulsarClient.createTableView`. */
export async function createTableView<T = Buffer>(context: ClientContext, options: TableViewOptions<T>): Promise<TableView<T>> {
  const { onError = () => undefined, ...reading } = options;
  const { full: topic, domain } = parseTopicName(options.topic);
  // Where the topic was compacted only what is left of it is read.
  const reader = await createReader<T>(context, { ...reading, topic, start: 'earliest', readCompacted: domain === 'persistent' });
  return openTableView({ source: reader, topic, onError });
}
