import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decompress } from '../compression/codecs.ts';
import { lz4 } from '../compression/lz4.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { BaseCommand_Type, BaseCommandSchema } from '../gen/pulsar/wire_pb.ts';
import { BatchBuilder } from './batch-builder.ts';
import { BatchReader } from './batch-reader.ts';
import { BufferPool } from './buffer-pool.ts';
import { encodeCommand, PING_FRAME } from './commands.ts';
import { crc32c } from './crc32c.ts';
import { decodeCommand } from './decode-command.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { parseMessage } from './parse-message.ts';

const MAX_MESSAGE_SIZE = 100_000;
const MAX_BATCH_BYTES = 1_000_000;

/** What a client does with all that a broker sends. Returns what ended it. */
function consume(chunks: Iterable<Buffer>): PulsarError | undefined {
  const decoder = new FrameDecoder((buffer, start, end) =>
    decodeCommand(buffer, start, end, {
      onReceipt: () => undefined,
      onMessage: (_, { headersAndPayload }) => readMessages(headersAndPayload),
      onPing: () => undefined,
      onPong: () => undefined,
      onCommand: () => undefined,
      onUnknown: () => undefined,
    }),
  );
  decoder.setMaxMessageSize(MAX_MESSAGE_SIZE);
  try {
    for (const chunk of chunks) {
      decoder.push(chunk);
      if (decoder.heldBytes > MAX_MESSAGE_SIZE + 10_240) throw new Error(`${decoder.heldBytes} bytes are held`);
    }
    return undefined;
  } catch (error) {
    if (!PulsarError.is(error)) throw error;
    expect(error.code).toBe('PROTOCOL');
    return error;
  }
}

/** Damage in a message is damage of that message alone. */
function readMessages(entry: Buffer): void {
  const parsed = parseMessage(entry);
  if (!parsed.valid) {
    expect(parsed.error.code).toBe('CORRUPT');
    return;
  }
  const { compression, uncompressedSize, numMessagesInBatch } = parsed.metadata;
  try {
    const payload = decompress(compression, parsed.payload, uncompressedSize ?? 0, MAX_BATCH_BYTES);
    const reader = new BatchReader(payload, numMessagesInBatch ?? 0);
    let bytes = 0;
    while (reader.next()) {
      bytes += 4 + reader.payload.length;
      Object.keys(reader.properties);
      String(reader.partitionKey);
      bytes += reader.orderingKey?.length ?? 0;
    }
    expect(bytes).toBeLessThanOrEqual(payload.length);
  } catch (error) {
    if (!PulsarError.is(error)) throw error;
    expect(error.code).toBe('CORRUPT');
  }
}

/** A batch as a broker delivers it; without checksum, so that damage is not found at once. */
function message(codec: typeof lz4 | undefined, checksum: boolean, brokerEntry: boolean): Buffer {
  const builder = new BatchBuilder(new BufferPool());
  for (let n = 0; n < 12; n++) {
    builder.append(
      {
        properties: { type: 'order.created', n: `${n}` },
        partitionKey: `key-${n}`,
        orderingKey: Buffer.from([n]),
        eventTime: n,
        sequenceId: n,
      },
      Buffer.alloc(n * 7, n),
    );
  }
  const sent = builder.seal(
    { producerId: 1, sequenceId: 0, numMessages: 12, highestSequenceId: 11 },
    {
      producerName: 'p',
      sequenceId: 0,
      publishTime: 1_700_000_000_000,
      numMessagesInBatch: 12,
      properties: { a: 'b' },
      replicateTo: ['x', 'y'],
      encryptionKeys: [{ key: 'k', value: Buffer.from('v'), metadata: { c: 'd' } }],
      txnLeastBits: -5n,
      txnMostBits: 7n,
    },
    { codec },
  );
  const entry = sent.subarray(8 + sent.readUInt32BE(4));
  const command = create(BaseCommandSchema, {
    type: BaseCommand_Type.MESSAGE,
    message: {
      consumerId: 4n,
      messageId: { ledgerId: 10n, entryId: 5n, partition: 2 },
      redeliveryCount: 1,
      ackSet: [-32n, 63n],
      consumerEpoch: 9n,
    },
  });
  const prefix = brokerEntry ? Buffer.from('0e02000000090880d095ffbc311005', 'hex') : Buffer.alloc(0);
  const frame = Buffer.concat([encodeCommand(command), prefix, checksum ? entry : entry.subarray(6)]);
  frame.writeUInt32BE(frame.length - 4, 0);
  return frame;
}

const recorded: readonly Buffer[] = [
  PING_FRAME,
  message(undefined, true, false),
  message(lz4, false, false),
  message(undefined, false, false),
  message(undefined, true, true),
  encodeCommand(
    create(BaseCommandSchema, {
      type: BaseCommand_Type.SEND_RECEIPT,
      sendReceipt: { producerId: 1n, sequenceId: 3n, messageId: { ledgerId: 5n, entryId: 6n }, highestSequenceId: 2n ** 64n - 1n },
    }),
  ),
  encodeCommand(
    create(BaseCommandSchema, {
      type: BaseCommand_Type.GET_SCHEMA_RESPONSE,
      getSchemaResponse: {
        requestId: 9n,
        schema: { name: 's', schemaData: Buffer.from('{"type":"record"}'), type: 2, properties: [{ key: 'a', value: 'b' }] },
        schemaVersion: Buffer.alloc(8),
      },
    }),
  ),
  encodeCommand(
    create(BaseCommandSchema, {
      type: BaseCommand_Type.CONSUMER_STATS_RESPONSE,
      consumerStatsResponse: { requestId: 3n, msgRateOut: 1.5, consumerName: 'ü', availablePermits: 2n ** 64n - 3n },
    }),
  ),
  encodeCommand(
    create(BaseCommandSchema, {
      type: BaseCommand_Type.GET_LAST_MESSAGE_ID_RESPONSE,
      getLastMessageIdResponse: {
        requestId: 3n,
        lastMessageId: { ledgerId: 5n, entryId: 6n, firstChunkMessageId: { ledgerId: 1n, entryId: 2n } },
      },
    }),
  ),
];

/** Numbers from a seed: the same ones in every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Damages frames one at a time: mostly behind the sizes, so that what is inside is reached. */
function mutate(frame: Buffer, next: (below: number) => number): Buffer {
  let bytes = Buffer.from(frame);
  for (let changes = 1 + next(4); changes > 0; changes--) {
    const at = next(10) === 0 ? next(bytes.length) : Math.min(bytes.length - 1, 8 + next(bytes.length));
    switch (next(6)) {
      case 0:
        bytes[at] = next(256);
        break;
      case 1:
        bytes[at] = (bytes[at] as number) ^ (1 << next(8));
        break;
      case 2:
        bytes[at] = [0, 0x7f, 0x80, 0xff][next(4)] as number;
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + next(8))]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(1 + next(12), next(256)), bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(next(bytes.length))]);
    }
    if (bytes.length < 8) bytes = Buffer.from(frame);
  }
  // Mostly with a size that fits again, and now and then with a checksum that does.
  if (next(8) > 0) bytes.writeUInt32BE(bytes.length - 4, 0);
  const at = bytes.indexOf('0e01', 8, 'hex');
  if (at > 0 && at + 6 < bytes.length && next(2) === 0) bytes.writeUInt32BE(crc32c(bytes, at + 6), at + 2);
  return bytes;
}

describe('a broker that sends anything', () => {
  it('of recorded frames with damage ends the connection at most', () => {
    const next = random(20_261_122);
    let ended = 0;
    for (let run = 0; run < 30_000; run++) {
      const frame = mutate(recorded[next(recorded.length)] as Buffer, next);
      const places = [next(frame.length), next(frame.length)].sort((a, b) => a - b);
      const chunks = [frame.subarray(0, places[0]), frame.subarray(places[0], places[1]), frame.subarray(places[1]), PING_FRAME];
      if (consume(chunks) !== undefined) ended += 1;
    }
    // Both must happen, or the damage is too small or too large to show anything.
    expect(ended).toBeGreaterThan(1000);
    expect(ended).toBeLessThan(29_000);
  });

  it('of its own making ends the connection at most', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }), (chunks) => {
        consume(chunks.map((chunk) => Buffer.from(chunk)));
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, commandSize) => {
        const frame = Buffer.concat([Buffer.alloc(8), bytes]);
        frame.writeUInt32BE(bytes.length + 4, 0);
        frame.writeUInt32BE(Math.min(commandSize, bytes.length), 4);
        consume([frame]);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => readMessages(Buffer.from(bytes))),
      { numRuns: 2000 },
    );
  });

  it('of messages within messages without end ends the connection at most', () => {
    let nested = Buffer.alloc(0);
    const levels: Buffer[] = [];
    for (let size = 0; size < 90_000; ) {
      const head = Buffer.from([0x3a, (size & 0x7f) | 0x80, ((size >>> 7) & 0x7f) | 0x80, size >>> 14]);
      levels.push(head);
      size += 4;
    }
    nested = Buffer.concat(levels.reverse());
    const body = Buffer.concat([Buffer.from([0x0a]), varint(nested.length), nested]);
    const command = Buffer.concat([Buffer.from('081ef201', 'hex'), varint(body.length), body]);
    const frame = Buffer.concat([Buffer.alloc(8), command]);
    frame.writeUInt32BE(command.length + 4, 0);
    frame.writeUInt32BE(command.length, 4);
    expect(consume([frame])).toMatchObject({ code: 'PROTOCOL' });
  });

  it('of whole frames alone is understood', () => {
    expect(consume(recorded)).toBeUndefined();
  });
});

function varint(value: number): Buffer {
  return Buffer.from([(value & 0x7f) | 0x80, ((value >>> 7) & 0x7f) | 0x80, value >>> 14]);
}
