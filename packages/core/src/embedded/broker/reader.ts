import type { BrokerReader, IncomingMessage, Position } from '../../broker/port.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import { Delivered } from './delivered.ts';
import { LogView, type TopicLog } from './topic-log.ts';
import type { TopicState } from './topic-state.ts';
import { checkMax, WaitList } from './wait-list.ts';

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
function createLogReader(log: TopicLog, start: Position): LogReader {
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

/** A reader for a user. */
export function createBrokerReader(state: TopicState, start: Position, onClose: () => void): BrokerReader {
  const topic = state.log.name;
  const reader = createLogReader(state.log, start);
  let closed = false;
  const canceled = (): PaystreamError =>
    new PaystreamError('CANCELED', `the reader of topic "${topic}" is closed`, { reason: 'READER_CLOSED', details: { topic } });
  state.readers.add(reader);
  return {
    topic,
    get gaps() {
      return reader.gaps;
    },
    receive: async (max, signal) => {
      signal?.throwIfAborted();
      checkMax(max);
      if (closed) throw canceled();
      return reader.read(max, signal);
    },
    close: async () => {
      if (closed) return;
      closed = true;
      state.readers.delete(reader);
      reader.end(canceled());
      onClose();
    },
  };
}
