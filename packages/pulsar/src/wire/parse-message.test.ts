import { describe, expect, it } from 'vitest';
import { ValidationError } from '../gen/pulsar/wire_pb.ts';
import { parseMessage } from './parse-message.ts';
import { encodeSend } from './send.ts';

const frame = encodeSend({ producerId: 1, sequenceId: 0 }, { producerName: 'p', sequenceId: 0, publishTime: 5 }, Buffer.from('hello'));
const entry = frame.subarray(8 + frame.readUInt32BE(4));
/** Time 1700000000000, index 5. */
const brokerEntry = Buffer.from('0e02000000090880d095ffbc311005', 'hex');
const mismatch = { valid: false, validationError: ValidationError.CHECKSUM_MISMATCH, error: { code: 'CORRUPT' } };

describe('entries of a topic', () => {
  it('are read with and without what the broker adds, and with and without checksum', () => {
    for (const content of [entry, entry.subarray(6)]) {
      expect(parseMessage(content)).toMatchObject({ valid: true, payload: Buffer.from('hello'), brokerEntry: undefined });
      expect(parseMessage(Buffer.concat([brokerEntry, content]))).toMatchObject({
        valid: true,
        metadata: { producerName: 'p', publishTime: 5 },
        payload: Buffer.from('hello'),
        brokerEntry: { timestamp: 1_700_000_000_000, index: 5 },
      });
    }
  });

  it('are refused if a bit is wrong, behind what the broker adds as well', () => {
    for (const prefix of [Buffer.alloc(0), brokerEntry]) {
      const content = Buffer.concat([prefix, entry]);
      for (let at = prefix.length + 2; at < content.length; at++) {
        content[at] = (content[at] as number) ^ 4;
        expect(parseMessage(content), `byte ${at}`).toMatchObject(mismatch);
        content[at] = (content[at] as number) ^ 4;
      }
      expect(parseMessage(content)).toMatchObject({ valid: true });
    }
  });

  it('are refused if they end early', () => {
    const content = Buffer.concat([brokerEntry, entry.subarray(6)]);
    for (let end = 0; end < content.length - 'hello'.length; end++) {
      expect(parseMessage(content.subarray(0, end)), `${end} bytes`).toMatchObject(mismatch);
    }
  });
});
