import type { Message, Reader, ReaderConfig } from 'pulsar-client';
import type { BrokerReader, IncomingMessage, ReaderOptions } from '../broker/port.ts';
import type { ClockTimer } from '../clock/port.ts';
import { checkMax, WaitList } from '../embedded/broker/wait-list.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { Received } from '../pulsar-adapter/received.ts';
import type { Subject } from '../pulsar-adapter/subject.ts';
import { type Arrived, arrived } from './arrived.ts';
import { closeNative } from './close.ts';
import type { NativeContext } from './context.ts';
import { fromAddon, saysClosed } from './errors.ts';
import { addonPosition, isBehind, type Place, parsePlace, placeBefore } from './message-ids.ts';

/** How many messages may wait here before the addon is held up. */
const maxReady = 1_000;
/** How often a reader is looked at whether it is connected, in milliseconds. The addon takes longer to connect again. */
const lookMs = 50;
/** How many looks in a row find no connection before it is asked whether the client is there at all: once a second. */
const looksToAsk = 20;

/**
 * How long the addon still starts its listeners when a reader of a topic with partitions has been made, in milliseconds: it drops
 * messages if the reader goes back meanwhile.
 */
const startMs = 20;
/** How long the first message takes at most after a reader has gone back, in milliseconds. If it takes longer, some come twice. */
const settleMs = 200;

/** How long a reader that has gone back waits for its first message before it goes back once more, in milliseconds. */
const firstMs = 2_000;
/** How often it does so at most; each time it waits twice as long as before. */
const timesBack = 5;
/** How long a reader that is closed waits for a seek that is under way, in milliseconds. */
const seekEndMs = 1_000;

/** How messages are decrypted: as by consumers. The addon's readers take no key but that of a file, and nothing else without one. */
function decryption(
  topic: string,
  { privateKeyPath, cryptoKeyReader, cryptoFailureAction }: NativeContext['consumer'],
): Pick<ReaderConfig, 'privateKeyPath' | 'cryptoFailureAction'> {
  if (privateKeyPath !== undefined) return { privateKeyPath, ...(cryptoFailureAction === undefined ? {} : { cryptoFailureAction }) };
  if (cryptoKeyReader === undefined && (cryptoFailureAction ?? 'FAIL') === 'FAIL') return {};
  const option = cryptoKeyReader === undefined ? 'cryptoFailureAction' : 'cryptoKeyReader';
  throw new PaystreamError(
    'UNSUPPORTED',
    `cannot read topic "${topic}": readers of the addon take no ${option} without a privateKeyPath, which has them decrypt as consumers do`,
    { reason: 'PULSAR_CANNOT_DO_IT', details: { topic, option } },
  );
}

/**
 * Reads a topic without a durable cursor. By a listener: `readNext` holds a thread of Node's pool while it waits, and when its
 * time-out passes, or the reader is closed, it frees memory that is not its own.
 */
export async function createNativeReader(context: NativeContext, { topic, start = 'latest' }: ReaderOptions): Promise<BrokerReader> {
  const { addon, clock } = context;
  const fullName = context.fullName(topic);
  const details = { topic };
  const closedError = (): PaystreamError =>
    new PaystreamError('CANCELED', `the reader of topic "${topic}" is closed`, { reason: 'READER_CLOSED', details });
  const about = (what: string): Subject => ({ what, details, closed: closedError });
  const waiting = new WaitList<undefined>();
  const last = new Map<number, Place>();
  let ready: Arrived[] = [];
  /** What comes at the end of a topic needs no going back. */
  let begun = start === 'latest';
  let gaps = 0;
  let connected = true;
  /** It was told to go back, for which the addon takes it away for a moment. */
  let moved = false;
  let looksAway = 0;
  let asking = false;
  let closed: Promise<void> | undefined;
  let looking: ClockTimer | undefined;
  let awaitingFirst: ClockTimer | undefined;
  /** Settles with the last time that it went back once more. */
  let goingBack: Promise<void> = Promise.resolve();
  const ending = new AbortController();
  /** The addon waits for this before it brings the next message. */
  let room: PromiseWithResolvers<void> | undefined;

  const take = (max: number): IncomingMessage[] => {
    const out = ready.splice(0, max).map((one) => new Received(one, topic, one.id, 0));
    if (ready.length < maxReady) letGo();
    return out;
  };
  const pump = (): void => {
    if (begun && closed === undefined) waiting.serve((waiter) => take(waiter.max));
  };

  /** What it gives must not reject, nor may it throw: the addon would wait for ever, or end the process. */
  const listener = (message: Message): Promise<void> | undefined => {
    if (closed !== undefined) return undefined;
    const one = arrived(message);
    const { partition } = one.place;
    const before = last.get(partition);
    // It has gone back to where it is to begin: what came before that is void.
    if (!begun && before !== undefined && !isBehind(one.place, before)) ready = ready.filter(({ place }) => place.partition !== partition);
    last.set(partition, one.place);
    ready.push(one);
    pump();
    if (!begun || ready.length < maxReady) return undefined;
    room ??= Promise.withResolvers();
    return room.promise;
  };

  /** Nothing tells a reader that the client was closed under it. */
  const askForClient = async (): Promise<void> => {
    asking = true;
    try {
      await context.readerClient().getPartitionsForTopic(fullName);
    } catch (error) {
      if (saysClosed(error)) closed ??= end();
    }
    asking = false;
  };

  const isConnected = (): boolean => {
    const now = reader.isConnected();
    // What was published while it was away may be gone now that it is back, unless it went to where it is to begin.
    if (now && !connected && !moved) gaps += 1;
    connected = now;
    if (now && begun) moved = false;
    return now;
  };

  const look = (): void => {
    looksAway = isConnected() ? 0 : looksAway + 1;
    if (looksAway >= looksToAsk && !asking) {
      looksAway = 0;
      // Going back takes less.
      moved = false;
      void askForClient();
    }
    looking = clock.setTimer(lookMs, look);
  };

  const letGo = (): void => {
    room?.resolve();
    room = undefined;
  };

  /**
   * The addon drops what comes before its reader is there for the listener: so the reader begins at the end, where little comes, and
   * goes back once it is. It must neither be held up meanwhile, for it acknowledges what the listener was given, and drops what then
   * comes from before that; nor go back from where much comes: of a topic with partitions it would wait for ever for messages that
   * it had queued for the listener.
   */
  const begin = async (to: Reader, from: Place | undefined): Promise<void> => {
    begun = false;
    moved = true;
    if (typeof start === 'object' && 'timeMs' in start) await to.seekTimestamp(start.timeMs);
    else await to.seek(addonPosition(addon, from ?? 'earliest'));
    // What was on its way to the listener has come when the turn is over.
    await clock.sleep(0, ending.signal);
    // If it is from before, the first from after tells.
    if (last.size > 0) await clock.sleep(settleMs, ending.signal);
  };

  /**
   * A broker of 4.0 may leave a reader that has gone back just after it was made at the end, until the next message is published: it
   * still has a read from there under way. Going back once more ends that.
   *
   * Of a topic with partitions it must not: if one of them is away, C++ tells the addon so more than once, which ends the process.
   */
  const awaitFirst = (from: Place | undefined, delayMs = firstMs, times = timesBack): void => {
    const again = async (): Promise<void> => {
      if (last.size > 0) return;
      const names = await context
        .readerClient()
        .getPartitionsForTopic(fullName)
        .catch(() => []);
      if (names.some((name) => name !== fullName)) return;
      // In the turn in which it goes back, for something may have happened meanwhile.
      if (names.length === 1 && last.size === 0 && closed === undefined && isConnected()) {
        goingBack = begin(reader, from)
          .catch(() => {
            // If it is away, it is so for another reason.
            moved = false;
          })
          .then(() => {
            begun = true;
            pump();
          });
        await goingBack;
      }
      if (times > 1 && closed === undefined) awaitFirst(from, delayMs * 2, times - 1);
    };
    awaitingFirst = clock.setTimer(delayMs, () => void again());
  };

  let reader: Reader;
  try {
    const from = typeof start === 'object' && 'messageId' in start ? placeBefore(parsePlace(start.messageId)) : undefined;
    reader = await context.readerClient().createReader({
      topic: fullName,
      startMessageId: addon.MessageId.latest(),
      receiverQueueSize: maxReady,
      listener,
      ...decryption(topic, context.consumer),
    });
    if (start !== 'latest') {
      await clock.sleep(startMs);
      await begin(reader, from).catch(async (error: unknown) => {
        await closeNative(reader, context.logger, details);
        throw error;
      });
      begun = true;
      awaitFirst(from);
    }
  } catch (error) {
    throw fromAddon(error, about(`cannot read topic "${topic}"`));
  }
  look();

  const end = async (): Promise<void> => {
    waiting.reject(undefined, closedError());
    looking?.cancel();
    awaitingFirst?.cancel();
    ending.abort();
    letGo();
    // C++ never settles the seek of a reader that was closed meanwhile, and the addon keeps the process alive for it.
    const late = Promise.withResolvers<void>();
    const timer = clock.setTimer(seekEndMs, late.resolve);
    await Promise.race([goingBack, late.promise]);
    timer.cancel();
    // Only now: until then the broker waits for it before it closes the client.
    context.closed(result);
    await closeNative(reader, context.logger, details);
  };

  const result: BrokerReader = {
    topic,
    get gaps() {
      return gaps;
    },
    receive: async (max, signal) => {
      signal?.throwIfAborted();
      checkMax(max);
      if (closed !== undefined) throw closedError();
      const messages = begun && waiting.size === 0 ? take(max) : [];
      return messages.length > 0 ? messages : waiting.wait(undefined, max, signal);
    },
    close: () => {
      closed ??= end();
      return closed;
    },
  };
  return result;
}
