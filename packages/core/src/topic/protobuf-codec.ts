import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { PaystreamError } from '../errors/paystream-error.ts';
import { decodeMessage } from '../protobuf/decode.ts';
import { encodeMessage } from '../protobuf/encode.ts';
import type { Codec } from './codec.ts';

/** A codec for a generated protobuf message. */
export function protobuf<S extends DescMessage>(schema: S): Codec<MessageShape<S>> {
  return {
    contentType: 'application/x-protobuf',
    encode: (value) => {
      try {
        return encodeMessage(schema, value);
      } catch (cause) {
        throw new PaystreamError('INVALID_ARGUMENT', `the value is no ${schema.typeName}: ${String(cause)}`, {
          reason: 'INVALID_MESSAGE',
          cause,
        });
      }
    },
    decode: (bytes) => {
      try {
        return decodeMessage(schema, bytes);
      } catch (cause) {
        throw new PaystreamError('INVALID_ARGUMENT', `${bytes.length} bytes are not a ${schema.typeName}: ${String(cause)}`, {
          reason: 'UNDECODABLE',
          cause,
        });
      }
    },
  };
}
