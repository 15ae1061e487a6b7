import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MessageFrame, SendReceipt } from '../connection/port.ts';
import { BaseCommand_Type, BaseCommandSchema, type MessageIdData, MessageIdDataSchema } from '../gen/pulsar/wire_pb.ts';
import { encodeAck, encodeCommand, encodeFlow, encodeRedeliver, encodeRedeliverAll, type WirePosition } from './commands.ts';
import { decodeCommand } from './decode-command.ts';
import { encodeSend, type SendFields } from './send.ts';
import { bits64, messageMetadata, number64, payload } from './test-support.ts';

const unsigned = (value: bigint | number): bigint => BigInt.asUintN(64, BigInt(value));
const id = fc.maxSafeNat();
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const position: fc.Arbitrary<WirePosition> = fc.record(
  {
    ledgerId: bits64,
    entryId: bits64,
    partition: fc.integer({ min: -1 }),
    batchIndex: fc.integer({ min: -1 }),
    ackSet: fc.array(bits64, { maxLength: 17 }),
    batchSize: fc.nat(),
  },
  { requiredKeys: ['ledgerId', 'entryId'] },
);

function generated(from: WirePosition): MessageIdData {
  const { ledgerId, entryId, partition = -1, batchIndex = -1, ackSet = [], batchSize = 0 } = from;
  return create(MessageIdDataSchema, {
    ledgerId: unsigned(ledgerId),
    entryId: unsigned(entryId),
    ...(partition >= 0 && { partition }),
    ...(batchIndex >= 0 && { batchIndex }),
    ackSet: [...ackSet],
    ...(batchSize > 0 && { batchSize }),
  });
}

describe('commands that are encoded by hand', () => {
  it('have the bytes that generated code writes: acknowledgements', () => {
    const fields = fc.record({
      consumerId: id,
      cumulative: fc.boolean(),
      positions: fc.array(position, { minLength: 1, maxLength: 40, size: 'max' }),
      validationError: optional(fc.nat(4)),
      txnLeastBits: optional(bits64),
      txnMostBits: optional(bits64),
      requestId: optional(fc.maxSafeNat().map(BigInt)),
    });
    fc.assert(
      fc.property(fields, ({ cumulative, ...ack }) => {
        const positions = cumulative ? ack.positions.slice(0, 1) : ack.positions;
        const expected = create(BaseCommandSchema, {
          type: BaseCommand_Type.ACK,
          ack: {
            consumerId: BigInt(ack.consumerId),
            ackType: cumulative ? 1 : 0,
            messageId: positions.map(generated),
            ...(ack.validationError !== undefined && { validationError: ack.validationError as 0 }),
            ...(ack.txnLeastBits !== undefined && { txnidLeastBits: unsigned(ack.txnLeastBits) }),
            ...(ack.txnMostBits !== undefined && { txnidMostBits: unsigned(ack.txnMostBits) }),
            ...(ack.requestId !== undefined && { requestId: ack.requestId }),
          },
        });
        const frame = encodeAck({ ...ack, positions, type: cumulative ? 'cumulative' : 'individual' });
        expect(frame.equals(encodeCommand(expected))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('have the bytes that generated code writes: permits and redelivery', () => {
    fc.assert(
      fc.property(id, fc.integer({ min: 1, max: 0xffff_ffff }), (consumerId, messagePermits) => {
        const flow = create(BaseCommandSchema, { type: BaseCommand_Type.FLOW, flow: { consumerId: BigInt(consumerId), messagePermits } });
        expect(encodeFlow(consumerId, messagePermits).equals(encodeCommand(flow))).toBe(true);
      }),
    );
    fc.assert(
      fc.property(
        id,
        fc.array(position, { minLength: 1, maxLength: 200, size: 'max' }),
        optional(number64),
        (consumerId, positions, epoch) => {
          const some = create(BaseCommandSchema, {
            type: BaseCommand_Type.REDELIVER_UNACKNOWLEDGED_MESSAGES,
            redeliverUnacknowledgedMessages: { consumerId: BigInt(consumerId), messageIds: positions.map(generated) },
          });
          expect(encodeRedeliver(consumerId, positions).equals(encodeCommand(some))).toBe(true);
          const all = create(BaseCommandSchema, {
            type: BaseCommand_Type.REDELIVER_UNACKNOWLEDGED_MESSAGES,
            redeliverUnacknowledgedMessages: {
              consumerId: BigInt(consumerId),
              ...(epoch !== undefined && { consumerEpoch: unsigned(epoch) }),
            },
          });
          expect(encodeRedeliverAll(consumerId, epoch).equals(encodeCommand(all))).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('have the bytes that generated code writes: sending', () => {
    const fields: fc.Arbitrary<SendFields> = fc.record({
      producerId: id,
      sequenceId: number64,
      numMessages: optional(fc.integer()),
      txnLeastBits: optional(bits64),
      txnMostBits: optional(bits64),
      highestSequenceId: optional(number64),
      isChunk: optional(fc.boolean()),
    });
    fc.assert(
      fc.property(fields, messageMetadata, payload, (send, metadata, content) => {
        const frame = encodeSend(send, metadata, content);
        expect(frame.readUInt32BE(0)).toBe(frame.length - 4);
        const command = fromBinary(BaseCommandSchema, frame.subarray(8, 8 + frame.readUInt32BE(4)));
        const expected = create(BaseCommandSchema, {
          type: BaseCommand_Type.SEND,
          send: {
            producerId: BigInt(send.producerId),
            sequenceId: unsigned(send.sequenceId),
            ...(send.numMessages !== undefined && { numMessages: send.numMessages }),
            ...(send.txnLeastBits !== undefined && { txnidLeastBits: unsigned(send.txnLeastBits) }),
            ...(send.txnMostBits !== undefined && { txnidMostBits: unsigned(send.txnMostBits) }),
            ...(send.highestSequenceId !== undefined && { highestSequenceId: unsigned(send.highestSequenceId) }),
            ...(send.isChunk !== undefined && { isChunk: send.isChunk }),
          },
        });
        expect(Buffer.from(toBinary(BaseCommandSchema, command)).equals(toBinary(BaseCommandSchema, expected))).toBe(true);
        expect(frame.subarray(frame.length - content.length).equals(content)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe('commands that are decoded by hand', () => {
  const decoded = (frame: Buffer): unknown => {
    const seen: unknown[] = [];
    decodeCommand(frame, 4, frame.length, {
      onReceipt: (receipt: SendReceipt) => seen.push(receipt),
      onMessage: (consumerId: number, message: MessageFrame) => seen.push({ consumerId, ...message }),
      onPing: () => seen.push('ping'),
      onPong: () => seen.push('pong'),
      onCommand: (command) => seen.push(command),
      onUnknown: (type) => seen.push(type),
    });
    expect(seen).toHaveLength(1);
    return seen[0];
  };

  it('are what generated code wrote: receipts', () => {
    fc.assert(
      fc.property(id, number64, optional(position), optional(number64), (producerId, sequenceId, messageId, highest) => {
        const command = create(BaseCommandSchema, {
          type: BaseCommand_Type.SEND_RECEIPT,
          sendReceipt: {
            producerId: BigInt(producerId),
            sequenceId: unsigned(sequenceId),
            ...(messageId && { messageId: generated(messageId) }),
            ...(highest !== undefined && { highestSequenceId: unsigned(highest) }),
          },
        });
        expect(decoded(encodeCommand(command))).toEqual({
          producerId,
          sequenceId,
          highestSequenceId: highest ?? 0,
          ledgerId: messageId?.ledgerId ?? -1n,
          entryId: messageId?.entryId ?? -1n,
        });
      }),
      { numRuns: 300 },
    );
  });

  it('are what generated code wrote: messages', () => {
    const fields = fc.record({
      consumerId: id,
      position,
      redeliveryCount: optional(fc.nat(0xffff_ffff)),
      ackSet: fc.array(bits64, { maxLength: 16 }),
      consumerEpoch: optional(number64),
      rest: payload,
    });
    fc.assert(
      fc.property(fields, ({ consumerId, position: place, redeliveryCount, ackSet, consumerEpoch, rest }) => {
        const command = create(BaseCommandSchema, {
          type: BaseCommand_Type.MESSAGE,
          message: {
            consumerId: BigInt(consumerId),
            messageId: generated(place),
            ackSet,
            ...(redeliveryCount !== undefined && { redeliveryCount }),
            ...(consumerEpoch !== undefined && { consumerEpoch: unsigned(consumerEpoch) }),
          },
        });
        const frame = Buffer.concat([encodeCommand(command), rest]);
        frame.writeUInt32BE(frame.length - 4, 0);
        expect(decoded(frame)).toEqual({
          consumerId,
          ledgerId: place.ledgerId,
          entryId: place.entryId,
          partition: place.partition ?? -1,
          redeliveryCount: redeliveryCount ?? 0,
          ackSet,
          consumerEpoch: consumerEpoch ?? -1,
          headersAndPayload: Buffer.from(rest),
        });
      }),
      { numRuns: 300 },
    );
  });

  it('may have the type behind the body, packed ack sets, and fields that a later protocol adds', () => {
    // consumer 4, message 10:5, ack set [5, -1] packed, an unknown field 30.
    const body = Buffer.from('0804' + '1204080a1005' + '220b' + '05ffffffffffffffffff01' + 'f2010161', 'hex');
    const command = Buffer.concat([Buffer.from([0x4a, body.length]), body, Buffer.from('0809', 'hex')]);
    const frame = Buffer.concat([Buffer.alloc(8), command]);
    frame.writeUInt32BE(command.length, 4);
    expect(decoded(frame)).toMatchObject({ consumerId: 4, ledgerId: 10n, entryId: 5n, ackSet: [5n, -1n], partition: -1 });
  });

  it('are all others, by generated code', () => {
    const command = create(BaseCommandSchema, { type: BaseCommand_Type.SUCCESS, success: { requestId: 77n } });
    expect(decoded(encodeCommand(command))).toEqual(command);
  });
});
