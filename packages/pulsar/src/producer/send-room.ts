import type { MemoryBudget } from '../client/context.ts';
import { PulsarError } from '../errors/pulsar-error.ts';

/** How much may be pending: a number of messages, which the partitions of a topic share, and the client's memory. */
export class SendRoom {
  readonly #maxMessages: number;
  readonly #memory: MemoryBudget;
  readonly #waiting = new Set<() => void>();
  #messages = 0;

  constructor(maxMessages: number, memory: MemoryBudget) {
    this.#maxMessages = maxMessages;
    this.#memory = memory;
  }

  /** Messages that are pending. */
  get messages(): number {
    return this.#messages;
  }

  /** Takes room for one message, or tells what is lacking. */
  take(bytes: number): 'taken' | 'no-place' | 'no-memory' {
    if (this.#messages >= this.#maxMessages) return 'no-place';
    if (!this.#memory.tryTake(bytes)) return 'no-memory';
    this.#messages += 1;
    return 'taken';
  }

  /** Takes the place of a message whose bytes are taken already. */
  takePlace(): boolean {
    if (this.#messages >= this.#maxMessages) return false;
    this.#messages += 1;
    return true;
  }

  /** The error of a message that finds no room and does not wait. */
  refusal(lacking: 'no-place' | 'no-memory', bytes: number): PulsarError {
    const advice = 'await earlier sends, or set blockIfQueueFull to let send wait';
    if (lacking === 'no-place') {
      return new PulsarError(
        'QUEUE_FULL',
        `${this.#messages} messages are not confirmed yet, as many as maxPendingMessages allows: ${advice}`,
      );
    }
    const { limitBytes, usedBytes } = this.#memory;
    return new PulsarError(
      'MEMORY_LIMIT',
      `no ${bytes} bytes are free: ${usedBytes} of memoryLimitBytes ${limitBytes} are in use: ${advice}`,
    );
  }

  /** Resolves once so many bytes are taken. */
  waitForBytes(bytes: number, signal: AbortSignal): Promise<void> {
    return this.#memory.wait(bytes, signal);
  }

  giveBytes(bytes: number): void {
    this.#memory.give(bytes);
  }

  /** Gives back the room of so many messages, and calls those who wait for it, once, in turn. */
  give(messages: number, bytes: number): void {
    this.#messages -= messages;
    this.#memory.give(bytes);
    if (messages === 0 || this.#waiting.size === 0) return;
    const called = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of called) callback();
  }

  /** Calls back once, when a place may be free. */
  whenFree(callback: () => void): void {
    this.#waiting.add(callback);
  }
}
