import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import type { MessageFrame, SendReceipt } from '../connection/port.ts';
import { type BaseCommand, BaseCommand_Type, BaseCommandSchema, ValidationError } from '../gen/pulsar/wire_pb.ts';
import { BatchBuilder } from './batch-builder.ts';
import { BatchReader } from './batch-reader.ts';
import { BufferPool } from './buffer-pool.ts';
import { encodeAck, encodeCommand, encodeFlow, encodeRedeliver, encodeRedeliverAll, PING_FRAME, PONG_FRAME } from './commands.ts';
import { crc32c } from './crc32c.ts';
import { decodeCommand } from './decode-command.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { parseMessage } from './parse-message.ts';
import { encodeSend, isSendIntact } from './send.ts';

const time = 1_700_000_000_000;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

// Bytes that the Java client 4.0.7 wrote.
const single = '000000270000000808063204080110000e01cf85822f0000000c0a017010001880d095ffbc3168656c6c6f';
const block = '000000120a060a017812017912026b301802300040006d30000000120a060a017812017912026b311802300040016d31';
const batch = `0000005b0000000c0806320808011000180230010e017b8137f2000000110a017010001880d095ffbc315802c00101${block}`;

function appendBoth(builder: BatchBuilder): void {
  for (const n of [0, 1]) {
    builder.append({ properties: { x: 'y' }, partitionKey: `k${n}`, partitionKeyB64Encoded: false, sequenceId: n }, Buffer.from(`m${n}`));
  }
}

describe('bytes of the Java client', () => {
  it('are what commands are encoded to', () => {
    const lookup = create(BaseCommandSchema, {
      type: BaseCommand_Type.LOOKUP,
      lookupTopic: { topic: 'persistent://public/default/t', requestId: 1n, authoritative: false },
    });
    expect(hex(encodeCommand(lookup))).toBe(
      '0000002c000000280817ba01230a1d70657273697374656e743a2f2f7075626c69632f64656661756c742f7410011800',
    );
    const seek = create(BaseCommandSchema, {
      type: BaseCommand_Type.SEEK,
      seek: { consumerId: 1n, requestId: 2n, messagePublishTime: BigInt(time) },
    });
    expect(hex(encodeCommand(seek))).toBe('0000001400000010081ce2010b080110022080d095ffbc31');
    const connect = create(BaseCommandSchema, {
      type: BaseCommand_Type.CONNECT,
      connect: {
        clientVersion: 'ts-test',
        authData: new Uint8Array(),
        protocolVersion: 21,
        authMethodName: 'none',
        featureFlags: {
          supportsAuthRefresh: true,
          supportsBrokerEntryMetadata: true,
          supportsPartialProducer: true,
          supportsGetPartitionedMetadataWithoutAutoCreation: true,
          supportsReplDedupByLidAndEid: true,
        },
      },
    });
    expect(hex(encodeCommand(connect))).toBe('00000027000000230802121f0a0774732d746573741a0020152a046e6f6e65520a08011001180128013001');
  });

  it('are what a consumer sends', () => {
    expect(hex(encodeFlow(1, 1000))).toBe('0000000d00000009080b5a05080110e807');
    const positions = [{ ledgerId: 10n, entryId: 5n }];
    expect(hex(encodeAck({ consumerId: 1, type: 'individual', positions }))).toBe('000000120000000e080a520a080110001a04080a1005');
    expect(hex(encodeRedeliverAll(1, -1))).toBe('00000016000000120814a2010d080118ffffffffffffffffff01');
    expect(hex(PING_FRAME)).toBe('00000009000000050812920100');
    expect(hex(PONG_FRAME)).toBe('000000090000000508139a0100');
  });

  it('are what a producer sends', () => {
    const metadata = { producerName: 'p', sequenceId: 0, publishTime: time };
    const frame = encodeSend({ producerId: 1, sequenceId: 0 }, metadata, Buffer.from('hello'));
    expect(hex(frame)).toBe(single);
    expect(isSendIntact(frame)).toBe(true);
    const builder = new BatchBuilder(new BufferPool());
    appendBoth(builder);
    expect([builder.count, builder.bytes]).toEqual([2, block.length / 2]);
    const sealed = builder.seal(
      { producerId: 1, sequenceId: 0, numMessages: 2, highestSequenceId: 1 },
      { ...metadata, numMessagesInBatch: 2, highestSequenceId: 1 },
    );
    expect(hex(sealed)).toBe(batch);
    expect([builder.count, builder.bytes]).toEqual([0, 0]);
  });

  it('are what a consumer reads, batch or not', () => {
    const parsed = parseMessage(Buffer.from(batch, 'hex').subarray(8 + 12));
    if (!parsed.valid) throw parsed.error;
    expect(parsed.metadata).toMatchObject({
      producerName: 'p',
      sequenceId: 0,
      publishTime: time,
      numMessagesInBatch: 2,
      highestSequenceId: 1,
    });
    const reader = new BatchReader(parsed.payload, 2);
    const read: unknown[] = [];
    while (reader.next()) read.push([reader.partitionKey, reader.properties, reader.sequenceId, reader.payload.toString()]);
    expect(read).toEqual([
      ['k0', { x: 'y' }, 0, 'm0'],
      ['k1', { x: 'y' }, 1, 'm1'],
    ]);
    const plain = parseMessage(Buffer.from(single, 'hex').subarray(8 + 8));
    expect(plain).toMatchObject({ valid: true, payload: Buffer.from('hello'), brokerEntry: undefined });
  });

  it('have the checksum', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe306_9283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a91_36aa);
  });
});

describe('commands of a broker', () => {
  const toBroker = { onReceipt: fail, onMessage: fail, onPing: fail, onPong: fail, onCommand: fail, onUnknown: fail };
  function fail(): void {
    throw new Error('not this one');
  }
  const frameOf = (command: BaseCommand): Buffer => encodeCommand(command);

  it('come out as what they are', () => {
    const seen: unknown[] = [];
    const decoder = new FrameDecoder((buffer, start, end) =>
      decodeCommand(buffer, start, end, {
        onReceipt: (receipt: SendReceipt) => seen.push(receipt),
        onMessage: (consumerId: number, frame: MessageFrame) => seen.push([consumerId, frame]),
        onPing: () => seen.push('ping'),
        onPong: () => seen.push('pong'),
        onCommand: (command) => seen.push(command.type),
        onUnknown: (type) => seen.push({ unknown: type }),
      }),
    );
    const receipt = create(BaseCommandSchema, {
      type: BaseCommand_Type.SEND_RECEIPT,
      sendReceipt: { producerId: 3n, sequenceId: 7n, messageId: { ledgerId: 5n, entryId: 6n }, highestSequenceId: 2n ** 64n - 1n },
    });
    const message = create(BaseCommandSchema, {
      type: BaseCommand_Type.MESSAGE,
      message: {
        consumerId: 4n,
        messageId: { ledgerId: 10n, entryId: 5n, partition: 2 },
        redeliveryCount: 1,
        ackSet: [-32n, 63n],
        consumerEpoch: 9n,
      },
    });
    const messageFrame = Buffer.concat([frameOf(message), Buffer.from('rest')]);
    messageFrame.writeUInt32BE(messageFrame.length - 4, 0);
    decoder.push(Buffer.concat([PING_FRAME, frameOf(receipt), messageFrame, PONG_FRAME, Buffer.from('000000070000000308ff01', 'hex')]));
    expect(seen).toEqual([
      'ping',
      { producerId: 3, sequenceId: 7, highestSequenceId: -1, ledgerId: 5n, entryId: 6n },
      [
        4,
        {
          ledgerId: 10n,
          entryId: 5n,
          partition: 2,
          redeliveryCount: 1,
          ackSet: [-32n, 63n],
          consumerEpoch: 9,
          headersAndPayload: Buffer.from('rest'),
        },
      ],
      'pong',
      { unknown: 255 },
    ]);
  });

  it('are refused where they are malformed', () => {
    const frame = Buffer.from('00000006000000020807', 'hex').subarray(4);
    expect(() => decodeCommand(frame, 0, frame.length, toBroker)).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
  });
});

describe('what a broker would answer by closing the connection', () => {
  it('is not sent', () => {
    const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => encodeFlow(1, 0)).toThrow(invalid);
    expect(() => encodeFlow(1, -1)).toThrow(invalid);
    expect(() => encodeFlow(1, Number.NaN)).toThrow(invalid);
    expect(() => encodeRedeliver(1, [])).toThrow(invalid);
    expect(() => encodeAck({ consumerId: 1, type: 'individual', positions: [] })).toThrow(invalid);
    const metadata = { producerName: 'p', sequenceId: 0, publishTime: time };
    expect(() => encodeSend({ producerId: 1, sequenceId: 0 }, metadata, Buffer.alloc(100), { maxMessageSize: 111 })).toThrow(
      expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }),
    );
    // A batch with a key that does not fit into what the frame may have beyond its messages.
    const keyed = { ...metadata, numMessagesInBatch: 2, partitionKey: 'k'.repeat(11_000) };
    expect(() => encodeSend({ producerId: 1, sequenceId: 0 }, keyed, Buffer.alloc(100), { maxMessageSize: 100 })).toThrow(
      expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }),
    );
    expect(encodeSend({ producerId: 1, sequenceId: 0 }, metadata, Buffer.alloc(100), { maxMessageSize: 112 }).length).toBe(138);
  });

  it('leaves an entry unread whose checksum is wrong', () => {
    const bytes = Buffer.from(batch, 'hex').subarray(8 + 12);
    bytes[bytes.length - 1] = 0;
    expect(parseMessage(bytes)).toMatchObject({
      valid: false,
      validationError: ValidationError.CHECKSUM_MISMATCH,
      error: { code: 'CORRUPT' },
    });
  });
});
