import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { PaystreamError } from '@paystream/core';
import type { Channel, ChannelMessage, DeliveryOutcome } from '../channel/port.ts';
import { lastDeliveryIds, type MessageFile, openMessageFile } from './message-file.ts';

/** Options of {@link fileChannel}. */
export interface FileChannelOptions {
  /** The folder; made if it is missing. */
  readonly directory: string;
  /** The first part of the file's name: `email` for `email.jsonl`. */
  readonly name: string;
  /** A file of so many bytes is renamed to `email.1.jsonl`, `email.2.jsonl`, ... and a new one begun. None is removed. Default: 268,435,456. */
  readonly maxBytes?: number;
  /** Whether messages are on the disk, not only with the operating system, before they count as delivered. Default: true. */
  readonly fsync?: boolean;
  /** So many of the last messages are remembered, to tell which were written before. More than may be under way at once. Default: 20,000. */
  readonly remembered?: number;
}

/** A channel that writes to a file. */
export interface FileChannel extends Channel, AsyncDisposable {
  /** The file. */
  readonly path: string;
  open(): Promise<void>;
  deliver(message: ChannelMessage): Promise<DeliveryOutcome>;
  deliverAll(messages: readonly ChannelMessage[]): Promise<readonly DeliveryOutcome[]>;
  check(): Promise<void>;
  close(): Promise<void>;
}

const delivered: DeliveryOutcome = { outcome: 'delivered' };

function lineOf({ deliveryId, eventId, recipient, subject, text, html, orderId, merchantId }: ChannelMessage): string {
  // The id comes first: that is how it is found again.
  return `${JSON.stringify({ deliveryId, eventId, to: recipient, orderId, merchantId, subject, text, html })}\n`;
}

/**
 * A channel that writes each message as a line of JSON: for development, for tests, and as an outbox that another program
 * picks up. Messages that come together are written together.
 *
 * It is idempotent: a message that was written before is not written again, also after a crash between writing and
 * recording, since the ids of the last messages are read back from the file. One process at a time may write to a file, so
 * replicas have one each, and what one of them was writing when it died may stand in the file of another too if the template says
 * `at-least-once`.
 *
 * Throws `UNAVAILABLE` / `MESSAGE_FILE_UNWRITABLE` while the file cannot be written; nothing of the batch stays behind then.
 *
 * @example
 * const email = fileChannel({ directory: './notifications', name: 'email' });
 */
export function fileChannel(options: FileChannelOptions): FileChannel {
  const { directory, name, maxBytes = 268_435_456, fsync = true, remembered = 20_000 } = options;
  const path = join(directory, `${name}.jsonl`);
  let ids: Set<string> | undefined;
  let file: MessageFile | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;

  const unwritable = (cause: unknown): PaystreamError => {
    const message = `cannot write messages to ${path}: ${cause instanceof Error ? cause.message : String(cause)}. Free space or grant access; deliveries wait until then`;
    return new PaystreamError('UNAVAILABLE', message, { reason: 'MESSAGE_FILE_UNWRITABLE', details: { path }, cause });
  };

  /** One after the other: a file has one end. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };

  const rotated = async (): Promise<readonly number[]> => {
    const numbers = (await readdir(directory)).flatMap((entry) => {
      const middle = entry.startsWith(`${name}.`) && entry.endsWith('.jsonl') ? entry.slice(name.length + 1, -6) : '';
      return /^\d+$/.test(middle) ? [Number(middle)] : [];
    });
    return numbers.sort((a, b) => b - a);
  };
  const rotatedPath = (number: number): string => join(directory, `${name}.${number}.jsonl`);

  const remember = (id: string): void => {
    ids?.delete(id);
    ids?.add(id);
    if (ids === undefined || ids.size <= remembered) return;
    const oldest = ids.values().next();
    if (oldest.done !== true) ids.delete(oldest.value);
  };

  const readIds = async (current: MessageFile): Promise<Set<string>> => {
    const newestFirst = [...(await lastDeliveryIds(current, remembered))];
    for (const number of await rotated()) {
      if (newestFirst.length >= remembered) break;
      const older = await openMessageFile(rotatedPath(number));
      try {
        newestFirst.push(...(await lastDeliveryIds(older, remembered - newestFirst.length)));
      } finally {
        await older.handle.close();
      }
    }
    return new Set(newestFirst.reverse());
  };

  const opened = async (): Promise<MessageFile> => {
    if (closed) throw new PaystreamError('CANCELED', `the channel to ${path} is closed`, { reason: 'CLOSED' });
    if (file !== undefined) return file;
    try {
      await mkdir(directory, { recursive: true });
      const current = await openMessageFile(path);
      file = current;
      ids ??= await readIds(current);
      return current;
    } catch (cause) {
      await forget();
      throw unwritable(cause);
    }
  };
  const forget = async (): Promise<void> => {
    const handle = file?.handle;
    file = undefined;
    await handle?.close();
  };

  const rotate = async (): Promise<void> => {
    await forget();
    const [newest = 0] = await rotated();
    await rename(path, rotatedPath(newest + 1));
  };

  const append = async (current: MessageFile, bytes: Uint8Array): Promise<void> => {
    try {
      await current.handle.appendFile(bytes);
      if (fsync) await current.handle.datasync();
      file = { handle: current.handle, size: current.size + bytes.length };
      if (file.size >= maxBytes) await rotate();
    } catch (cause) {
      // Whatever was written is cut off, here or, if that fails too, because the file is then read afresh.
      ids = undefined;
      await current.handle.truncate(current.size).catch(() => undefined);
      await forget();
      throw unwritable(cause);
    }
  };

  const write = async (messages: readonly ChannelMessage[]): Promise<void> => {
    const current = await opened();
    const fresh = new Map<string, string>();
    for (const message of messages) {
      if (ids?.has(message.deliveryId) !== true) fresh.set(message.deliveryId, lineOf(message));
    }
    if (fresh.size === 0) return;
    await append(current, Buffer.from([...fresh.values()].join('')));
    for (const id of fresh.keys()) remember(id);
  };

  const close = (): Promise<void> =>
    inTurn(async () => {
      closed = true;
      await forget();
    });

  return {
    name,
    path,
    // Another process writes to another file, and knows nothing of this one.
    capabilities: { idempotent: 'alone', batch: true },
    open: () =>
      inTurn(async () => {
        await opened();
      }),
    deliver: async (message) => {
      await inTurn(() => write([message]));
      return delivered;
    },
    deliverAll: async (messages) => {
      await inTurn(() => write(messages));
      return messages.map(() => delivered);
    },
    check: () =>
      inTurn(async () => {
        await opened();
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
