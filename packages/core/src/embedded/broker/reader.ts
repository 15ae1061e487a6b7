import type { BrokerReader, IncomingMessage, Position } from '../../broker/port.ts';
import { Delivered } from './delivered.ts';
import { LogView, type TopicLog } from './topic-log.ts';
import { WaitList } from './wait-list.ts';

/** A reader as the engine sees it. */
export interface LogReader {
  /** The next message that it reads. */
  readonly position: number;
  /** There is something new. */
  pump(): void;
  read(max: number, signal: AbortSignal | undefined): Promise<readonly IncomingMessage[]>;
  readonly gaps: number;
  /** Rejects who waits. */
  end(reason: unknown): void;
}

/** Reads a log from a position on, with nothing stored. */
export function createLogReader(log: TopicLog, start: Position): LogReader {
  const view = new LogView(log);
  const waiting = new WaitList<undefined>();
  let position = log.resolve(start);
  let gaps = 0;

  const take = (max: number): IncomingMessage[] => {
    const out: IncomingMessage[] = [];
    if (position < log.first) {
      gaps += 1;
      position = log.first;
    }
    while (position < log.tail && out.length < max) {
      const message = view.at(position);
      position += 1;
      if (message === undefined) gaps += 1;
      else out.push(new Delivered(message, log.name, 0, undefined, 0));
    }
    return out;
  };

  return {
    get position() {
      return position;
    },
    get gaps() {
      return gaps;
    },
    pump: () => {
      if (waiting.size > 0) waiting.serve((waiter) => take(waiter.max));
    },
    read: (max, signal) => {
      const messages = waiting.size === 0 ? take(max) : [];
      return messages.length > 0 ? Promise.resolve(messages) : waiting.wait(undefined, max, signal);
    },
    end: (reason) => waiting.reject(undefined, reason),
  };
}

/** The reader that a user gets. */
export function toBrokerReader(reader: LogReader, topic: string, check: (max: number) => void, close: () => Promise<void>): BrokerReader {
  return {
    topic,
    get gaps() {
      return reader.gaps;
    },
    receive: async (max, signal) => {
      signal?.throwIfAborted();
      check(max);
      return reader.read(max, signal);
    },
    close,
  };
}
