import { create } from '@bufbuild/protobuf';
import { PulsarError } from '../errors/pulsar-error.ts';
import { type BaseCommand, CommandGetLastMessageIdResponseSchema, type MessageIdData } from '../gen/pulsar/wire_pb.ts';
import { BitSet } from '../message/bit-set.ts';
import { MessageId } from '../message/message-id.ts';
import { getLastMessageId, seekToId, seekToTime } from './consumer-commands.ts';
import type { Session } from './session.ts';
import { callReady, readyWithin } from './session-calls.ts';
import type { StartPosition } from './start-filter.ts';

/** Where a cursor is moved to: before everything, behind everything, to a message, or to the first one published at a time or later. */
export type SeekPosition = 'earliest' | 'latest' | MessageId | { readonly timeMs: number };

/** Where a cursor is on its way to. */
export interface SeekTarget {
  readonly position: SeekPosition;
  /** Messages before it are not to be seen. */
  readonly start: StartPosition | undefined;
}

/** Where the last message of a topic lies. */
export interface LastMessage {
  /** Entry -1: the topic is empty. */
  readonly id: MessageId;
  /** Up to where everything is acknowledged, if the broker says so. */
  readonly markDelete: MessageId | undefined;
}

/** Options of {@link createCursor}. */
export interface CursorOptions {
  readonly topic: string;
  readonly partition: number;
  readonly consumerId: number;
  readonly session: Session;
  readonly timeoutMs: number;
  /** What came by this session and those before it is void, and so is what lies before `start`. */
  readonly onMoved: (target: SeekTarget, session: number) => void;
  /** Everything collected is to be sent first. */
  readonly flush: () => Promise<void>;
}

/** Moves the cursor of a subscription, and asks where the topic ends. */
export class Cursor {
  readonly #options: CursorOptions;
  /** The session by which a seek was sent: what still comes by it is void. */
  #movedFrom = 0;
  #target: SeekTarget | undefined;

  constructor(options: CursorOptions) {
    this.#options = options;
  }

  /** Where the cursor is being moved. */
  get target(): SeekTarget | undefined {
    return this.#target;
  }

  /** Whether messages of a session are to be dropped, since the cursor was or is being moved. */
  isVoid(session: number): boolean {
    return session <= this.#movedFrom;
  }

  /**
   * Moves the cursor. Resolves when the consumer is subscribed again there. Rejects with `UNAVAILABLE` while another seek is
   * under way.
   */
  async seek(position: SeekPosition, inclusive: boolean): Promise<void> {
    const { session, onMoved, flush, timeoutMs, topic, consumerId } = this.#options;
    if (this.#target !== undefined) throw new PulsarError('UNAVAILABLE', `another seek is under way on ${topic}`, { command: 'SEEK' });
    const target = { position, start: startOf(position, inclusive) };
    this.#target = target;
    const before = this.#movedFrom;
    try {
      await flush();
      await callReady(this.#options, (connection, signal) => {
        this.#movedFrom = session.number;
        const requestId = connection.nextRequestId();
        return connection.request(requestId, seekCommand(consumerId, requestId, position), { signal });
      });
      const sentBy = this.#movedFrom;
      onMoved(target, sentBy);
      // The broker ends the session, before its answer or after. If it does not, what it goes on sending is void all the same.
      if (session.number === sentBy && !(await endsSoon(session))) session.restart();
      await readyWithin(session, timeoutMs, topic);
    } catch (error) {
      this.#movedFrom = before;
      // Void messages were dropped: only a new session gets them again.
      session.restart();
      throw error;
    } finally {
      this.#target = undefined;
    }
  }

  /** Where the topic ends now. */
  async last(): Promise<LastMessage> {
    const { consumerId, topic, partition } = this.#options;
    const answer = await callReady(this.#options, (connection, signal) => {
      const requestId = connection.nextRequestId();
      return connection.request(requestId, getLastMessageId(consumerId, requestId), { signal });
    });
    const response = answer.getLastMessageIdResponse ?? create(CommandGetLastMessageIdResponseSchema);
    const toId = (data: MessageIdData | undefined): MessageId | undefined =>
      data &&
      new MessageId({
        ledgerId: BigInt.asIntN(64, data.ledgerId),
        entryId: BigInt.asIntN(64, data.entryId),
        batchIndex: data.batchIndex,
        batchSize: data.batchSize,
        partition,
        topic,
      });
    const id = toId(response.lastMessageId) ?? new MessageId({ ledgerId: -1n, entryId: -1n, partition, topic });
    return { id, markDelete: toId(response.consumerMarkDeletePosition) };
  }
}

function seekCommand(consumerId: number, requestId: bigint, position: SeekPosition): BaseCommand {
  if (position === 'earliest') return seekToId(consumerId, requestId, MessageId.earliest, []);
  if (position === 'latest') return seekToId(consumerId, requestId, MessageId.latest, []);
  if (!MessageId.is(position)) return seekToTime(consumerId, requestId, position.timeMs);
  const { batchIndex, batchSize, firstChunk } = position;
  if (firstChunk !== undefined) return seekToId(consumerId, requestId, firstChunk, []);
  // An id that was kept as text does not know how large its batch is: then all of the batch comes, and the start is looked for here.
  if (batchIndex <= 0 || batchIndex >= batchSize) return seekToId(consumerId, requestId, position, []);
  // The broker is told what is left from there on.
  const left = new BitSet(batchSize);
  left.clearThrough(batchIndex - 1);
  return seekToId(consumerId, requestId, position, left.toAckSet());
}

function startOf(position: SeekPosition, inclusive: boolean): StartPosition | undefined {
  return MessageId.is(position) ? { id: position, inclusive } : undefined;
}

/** How long a broker may take to end a session whose cursor it has moved, in milliseconds. */
const END_MS = 3_000;

/** Whether the session that is there ends within some time. */
async function endsSoon(session: Session): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), END_MS);
  });
  const ended = await Promise.race([session.whenEnded().then(() => true), late]);
  clearTimeout(timer);
  return ended;
}
