import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageId } from './message-id.ts';

const hex = (id: MessageId): string => Buffer.from(id.toBytes()).toString('hex');
const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });

const place = fc.oneof(fc.maxSafeNat().map(BigInt), fc.constantFrom(-1n, 0n, 2n ** 63n - 1n));
const plain = fc
  .record({
    ledgerId: place,
    entryId: place,
    partition: fc.integer({ min: -1, max: 999_999_999 }),
    batchIndex: fc.integer({ min: -1, max: 999_999_999 }),
    batchSize: fc.nat(10_000),
  })
  .map((fields) => new MessageId(fields));
const messageId = fc.tuple(plain, fc.option(plain, { nil: undefined })).map(([last, firstChunk]) => new MessageId({ ...last, firstChunk }));

describe('message ids', () => {
  it('have the bytes of the Java client', () => {
    const first = new MessageId({ ledgerId: 10n, entryId: 5n });
    expect(hex(first)).toBe('080a10053000');
    expect(hex(new MessageId({ ledgerId: 10n, entryId: 5n, partition: 2 }))).toBe('080a100518023000');
    expect(hex(new MessageId({ ledgerId: 10n, entryId: 5n, partition: 2, batchIndex: 3, batchSize: 8 }))).toBe('080a1005180220033008');
    expect(hex(new MessageId({ ledgerId: 10n, entryId: 7n, firstChunk: first }))).toBe('080a100730003a06080a10053000');
    expect(hex(MessageId.earliest)).toBe('08ffffffffffffffffff0110ffffffffffffffffff013000');
    expect(hex(MessageId.latest)).toBe('08ffffffffffffffff7f10ffffffffffffffff7f3000');
  });

  it('have the text of the Java client', () => {
    const first = new MessageId({ ledgerId: 10n, entryId: 5n });
    expect(`${first}`).toBe('10:5:-1');
    expect(`${new MessageId({ ledgerId: 10n, entryId: 5n, partition: 2, batchIndex: 3, batchSize: 8 })}`).toBe('10:5:2:3');
    expect(`${new MessageId({ ledgerId: 10n, entryId: 7n, firstChunk: first })}`).toBe('10:5:-1;10:7:-1');
    expect(`${MessageId.earliest} ${MessageId.latest}`).toBe('-1:-1:-1 9223372036854775807:9223372036854775807:-1');
    expect(JSON.stringify({ first })).toBe('{"first":"10:5:-1"}');
  });

  it('survive being kept as bytes, and as text but for the size of the batch', () => {
    fc.assert(
      fc.property(messageId, (id) => {
        expect(MessageId.fromBytes(id.toBytes())).toEqual(id);
        const read = MessageId.parse(id.toString(), 'a-topic');
        expect(read.equals(id)).toBe(true);
        expect(read.toString()).toBe(id.toString());
        expect([read.topic, read.batchSize]).toEqual(['a-topic', 0]);
      }),
    );
  });

  it('are ordered as they lie in the topic', () => {
    const ids = [
      '-1:-1:-1',
      '1:9:-1',
      '2:0:-1',
      '2:1:0',
      '2:1:1',
      '2:1:1:0',
      '2:1:1:1',
      '2:2:1',
      '10:0:-1',
      '9223372036854775807:9223372036854775807:-1',
    ];
    const parsed = ids.map((id) => MessageId.parse(id));
    expect([...parsed].reverse().sort((a, b) => a.compareTo(b))).toEqual(parsed);
    fc.assert(
      fc.property(messageId, messageId, (a, b) => {
        expect(Math.sign(a.compareTo(b))).toBe(-Math.sign(b.compareTo(a)) + 0);
        expect(a.equals(b)).toBe(a.compareTo(b) === 0);
      }),
    );
    expect(MessageId.parse('1:2:-1').equals(new MessageId({ ledgerId: 1n, entryId: 2n, topic: 't', batchSize: 5 }))).toBe(true);
  });

  it('are not made of anything else', () => {
    for (const text of [
      '',
      '1',
      '1:2',
      '1:2:3:4:5',
      'a:b:c',
      '1:2:-2',
      '-2:0:0',
      '9223372036854775808:0:-1',
      '1:2:3;',
      '1:2:3;1:2:3;1:2:3',
      ' 1:2:3',
      '1:2:3\n',
    ]) {
      expect(() => MessageId.parse(text), text).toThrow(invalid);
    }
    for (const bytes of ['', '08', '0a', 'ffffffffffffffffffffffff', '080a3a02080a']) {
      expect(() => MessageId.fromBytes(Buffer.from(bytes, 'hex')), bytes).toThrow(invalid);
    }
    expect([MessageId.is(MessageId.latest), MessageId.is({}), MessageId.is(null), MessageId.is('1:2:3')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
