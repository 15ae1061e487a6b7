import type { MemoryBudget } from '../client/context.ts';
import type { MessageSource, ReceivedMessage } from '../message/message.ts';
import { Permits } from './permits.ts';
import type { ReceiveQueue } from './receive-queue.ts';

/** How many messages are asked for at first, before any has told how large they are. */
const FIRST_ROOM = 16;

/** Options of {@link Inbox}. */
export interface InboxOptions<T> {
  readonly source: MessageSource<T>;
  /** Shared with other topics. */
  readonly queue: ReceiveQueue<ReceivedMessage<T>>;
  /** How many messages are asked for in advance; 0: one at a time, when somebody waits. */
  readonly queueSize: number;
  readonly memory: MemoryBudget;
  /** Sends FLOW. */
  readonly flow: (permits: number) => void;
  /** The number of the session that is there. */
  readonly session: () => number;
}

/** Messages of one topic on their way from the broker to the application: asks for no more than the queue and the client's memory hold. */
export class Inbox<T> {
  readonly #options: InboxOptions<T>;
  readonly #permits: Permits;
  #queued = 0;
  /** What a message takes in bytes, rather too much than too little; 0: not known. */
  #size = 0;
  /** Whether the one message that a consumer without a queue asked for has not come. */
  #asked = false;

  constructor(options: InboxOptions<T>) {
    const { queueSize, flow } = options;
    this.#options = options;
    this.#permits = new Permits({ queueSize, flow, room: () => this.#room() });
  }

  /** How many messages may be on their way: as the memory allows that the client has left, and one if nothing is here. */
  #room(): number {
    const { limitBytes, usedBytes } = this.#options.memory;
    if (limitBytes === 0) return Number.POSITIVE_INFINITY;
    const least = this.#queued === 0 ? 1 : 0;
    if (usedBytes >= limitBytes) return least;
    return this.#size === 0 ? FIRST_ROOM : Math.max(least, Math.floor((limitBytes - usedBytes) / this.#size));
  }

  /** Whether a message is queued. */
  get hasQueued(): boolean {
    return this.#queued > 0;
  }

  /** How many messages the broker may still send. */
  get outstanding(): number {
    return this.#permits.outstanding;
  }

  /** A session begins. */
  start(): void {
    const { queueSize, queue } = this.#options;
    this.#asked = queueSize === 0 && queue.waiting > 0;
    this.#permits.start(queueSize > 0 ? queueSize : Number(this.#asked));
  }

  /** The session is over. */
  stop(): void {
    this.#permits.stop();
    this.#asked = false;
  }

  /** Stops asking for messages, until as many releases. */
  hold(): void {
    this.#permits.hold();
  }

  release(): void {
    this.#permits.release();
  }

  /** The broker sent so many messages, as it counts. */
  arrived(messages: number): void {
    this.#permits.arrived(messages);
  }

  /** So many that the broker sent are not handed out. */
  giveBack(permits: number): void {
    this.#asked = false;
    this.#permits.add(permits);
  }

  /** Queues messages of an entry. */
  put(messages: readonly ReceivedMessage<T>[]): void {
    const { queue, memory, queueSize } = this.#options;
    let bytes = 0;
    for (const message of messages) bytes += message.size;
    memory.take(bytes);
    const size = bytes / messages.length;
    this.#size = size > this.#size ? size : this.#size + (size - this.#size) / 8;
    this.#queued += messages.length;
    this.#asked = false;
    for (const message of messages) queue.push(message);
    // What was not known before may allow more.
    if (queueSize > 0) this.#permits.add(0);
    // Whoever waits behind the one that gets this message has to ask again.
    else queueMicrotask(() => this.onWait());
  }

  /** Takes messages that match out of the queue. Returns how many. */
  remove(matches: (message: ReceivedMessage<T>) => boolean): number {
    const { queue, source } = this.#options;
    return queue.remove((message) => message.entry.source === source && matches(message));
  }

  /** The first message that is queued, which stays. */
  first(): ReceivedMessage<T> | undefined {
    const { queue, source } = this.#options;
    return queue.find(({ entry }) => entry.source === source);
  }

  /** A message is handed out: another one may come. */
  onTake(message: ReceivedMessage<T>): void {
    const { queueSize, session } = this.#options;
    this.onDrop(message);
    if (queueSize > 0 && message.entry.session === session()) this.#permits.add(1);
    // Nothing is here and nothing comes: what memory has held back goes out now, however little.
    if (this.#queued === 0 && this.outstanding <= 0) this.#permits.flush();
  }

  /** A message is queued again that was handed out. */
  onReturn(message: ReceivedMessage<T>): void {
    const { queueSize, session, memory } = this.#options;
    memory.take(message.size);
    this.#queued += 1;
    if (queueSize > 0 && message.entry.session === session()) this.#permits.add(-1);
  }

  /** A message has left the queue. */
  onDrop(message: ReceivedMessage<T>): void {
    this.#queued -= 1;
    this.#options.memory.give(message.size);
  }

  /** Somebody waits: without a queue a message is asked for only now. */
  onWait(): void {
    const { queueSize, queue } = this.#options;
    if (queueSize > 0 || this.#asked || queue.waiting === 0 || queue.size > 0) return;
    this.#asked = true;
    this.#permits.add(1);
  }
}
