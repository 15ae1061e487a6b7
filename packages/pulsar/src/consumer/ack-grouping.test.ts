import { fromBinary } from '@bufbuild/protobuf';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { Connection } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { BaseCommandSchema } from '../gen/pulsar/wire_pb.ts';
import { BitSet } from '../message/bit-set.ts';
import { AckGrouping, type AckGroupingOptions } from './ack-grouping.ts';

beforeEach(() => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
});

interface SetUp {
  readonly grouping: AckGrouping;
  /** What was acknowledged in each frame: `individual 1 2`. */
  readonly frames: string[];
  readonly connection: Connection;
  /** Settles the oldest request. */
  answer(error?: PulsarError): void;
}

function setUp(options: Partial<AckGroupingOptions> = {}): SetUp {
  const frames: string[] = [];
  const requests: PromiseWithResolvers<never>[] = [];
  let requestIds = 0n;
  const connection = {
    nextRequestId: () => requestIds++,
    awaitAnswer: () => {
      const request = Promise.withResolvers<never>();
      requests.push(request);
      return request.promise;
    },
    write(written: readonly Buffer[]) {
      for (const frame of written) {
        const { ack } = fromBinary(BaseCommandSchema, frame.subarray(8));
        frames.push([ack?.ackType === 0 ? 'individual' : 'cumulative', ...(ack?.messageId.map(({ entryId }) => entryId) ?? [])].join(' '));
      }
      return true;
    },
  } as unknown as Connection;
  const grouping = new AckGrouping({ consumerId: 1, groupMs: 100, maxPending: 3, receipts: false, timeoutMs: 30_000, ...options });
  return {
    grouping,
    frames,
    connection,
    answer(error) {
      const request = requests.shift();
      if (error === undefined) request?.resolve(undefined as never);
      else request?.reject(error);
    },
  };
}

it('sends what was collected when its time is up, or when enough is there', () => {
  const { grouping, frames, connection } = setUp();
  grouping.connect(connection);
  void grouping.add(1n, 1n);
  void grouping.add(1n, 2n);
  vi.advanceTimersByTime(99);
  expect(frames).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(frames).toEqual(['individual 1 2']);
  for (const entry of [3n, 4n, 5n]) void grouping.add(1n, entry);
  expect(frames).toEqual(['individual 1 2', 'individual 3 4 5']);
  void grouping.addCumulative({ ledgerId: 1n, entryId: 9n });
  vi.advanceTimersByTime(100);
  expect(frames.at(-1)).toBe('cumulative 9');
  expect(vi.getTimerCount()).toBe(0);
});

it('keeps what it has while there is no connection, and sends it by the next', () => {
  const { grouping, frames, connection } = setUp();
  grouping.connect(connection);
  grouping.disconnect();
  void grouping.add(1n, 1n);
  void grouping.add(1n, 2n, partOf(4, 0));
  vi.advanceTimersByTime(1_000);
  expect(frames).toEqual([]);
  // Until then it knows what comes again.
  expect([grouping.isDuplicate(1, 1, -1), grouping.isDuplicate(1, 2, 0), grouping.isDuplicate(1, 2, 1)]).toEqual([true, true, false]);
  grouping.connect(connection);
  expect(frames).toEqual(['individual 1 2']);
});

it('never goes back with a cumulative acknowledgement', () => {
  const { grouping, frames, connection } = setUp({ groupMs: 0 });
  grouping.connect(connection);
  for (const entryId of [5n, 3n, 5n, 6n]) void grouping.addCumulative({ ledgerId: 1n, entryId });
  expect(frames).toEqual(['cumulative 5', 'cumulative 6']);
  expect([grouping.isDuplicate(1, 6, -1), grouping.isDuplicate(1, 7, -1), grouping.isDuplicate(0, 99, -1)]).toEqual([true, false, true]);
  grouping.reset();
  expect(grouping.isDuplicate(1, 6, -1)).toBe(false);
});

it('9.4.62 settles a receipt by the answer, by the lack of a connection, or by the end', async () => {
  const { grouping, connection, answer } = setUp({ receipts: true });
  grouping.connect(connection);
  const stored = grouping.add(1n, 1n);
  vi.advanceTimersByTime(100);
  answer();
  await stored;
  const refused = grouping.add(1n, 2n);
  vi.advanceTimersByTime(100);
  answer(new PulsarError('NOT_CONNECTED', 'cut'));
  await expect(refused).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
  grouping.disconnect();
  const late = expect(grouping.add(1n, 3n)).rejects.toMatchObject({ code: 'NOT_CONNECTED', retryable: true });
  vi.advanceTimersByTime(30_000);
  await late;
  const waiting = expect(grouping.add(1n, 4n)).rejects.toMatchObject({ code: 'ALREADY_CLOSED' });
  grouping.close(new PulsarError('ALREADY_CLOSED', 'closed'));
  await waiting;
  expect(vi.getTimerCount()).toBe(0);
});

function partOf(size: number, done: number): BitSet {
  const left = new BitSet(size);
  left.clear(done);
  return left;
}
