import type { Consumer, Message } from 'pulsar-client';

/** Receives from a consumer of the addon, ahead. */
export interface Intake {
  /** Waits until there is a message, then gives those that are there. Gives none if it is aborted before; nothing is lost by that. */
  next(room: number, signal: AbortSignal): Promise<readonly Message[]>;
}

interface Asked {
  message: Message | undefined;
  error: unknown;
}

/**
 * Keeps up to `parallel` calls of `receive()` under way, and no more than there is room for. A call without a time-out waits for
 * nothing: one with a time-out would hold a thread of Node's pool, of which there are four, for as long as it lasts. Such a call
 * cannot be taken back; what it brings later is there for the next. The addon settles calls in any order, and messages go to
 * the calls in the order in which those were made.
 */
export function createIntake(consumer: Pick<Consumer, 'receive'>, parallel: number): Intake {
  const asked: Asked[] = [];
  let wake: () => void = () => undefined;

  const ask = (): void => {
    const one: Asked = { message: undefined, error: undefined };
    asked.push(one);
    consumer.receive().then(
      (message) => {
        one.message = message;
        wake();
      },
      (error: unknown) => {
        one.error = error;
        wake();
      },
    );
  };

  const take = (): Message[] => {
    let count = 0;
    while (asked[count]?.message !== undefined) count += 1;
    return asked.splice(0, count).map(({ message }) => message as Message);
  };

  const woken = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        signal.removeEventListener('abort', end);
        wake = () => undefined;
        resolve();
      };
      signal.addEventListener('abort', end, { once: true });
      wake = end;
    });

  return {
    next: async (room, signal) => {
      while (true) {
        const messages = take();
        const failed = messages.length === 0 ? asked[0]?.error : undefined;
        if (failed !== undefined) {
          asked.shift();
          throw failed;
        }
        while (asked.length < Math.min(room - messages.length, parallel)) ask();
        if (messages.length > 0 || signal.aborted) return messages;
        await woken(signal);
      }
    },
  };
}
