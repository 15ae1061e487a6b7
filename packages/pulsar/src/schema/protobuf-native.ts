import {
  create,
  type DescFile,
  type DescMessage,
  fromBinary,
  isMessage,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { Schema } from './port.ts';

function collect(file: DescFile, into: Map<string, DescFile>): void {
  if (into.has(file.proto.name)) return;
  // What a file imports stands before it, as readers that go through the set once want it.
  for (const dependency of file.dependencies) collect(dependency, into);
  into.set(file.proto.name, file);
}

/** What the broker keeps of a Protobuf schema: the message's file with all that it imports, in the Java client's form. */
function definitionOf(message: DescMessage): Uint8Array {
  const files = new Map<string, DescFile>();
  collect(message.file, files);
  const set = create(FileDescriptorSetSchema, { file: [...files.values()].map((file) => file.proto) });
  const data = {
    fileDescriptorSet: Buffer.from(toBinary(FileDescriptorSetSchema, set)).toString('base64'),
    rootMessageTypeName: message.typeName,
    rootFileDescriptorName: message.file.proto.name,
  };
  return new TextEncoder().encode(JSON.stringify(data));
}

/** A schema of Protobuf messages, described by what protoc-gen-es generates. */
export function protobufNativeSchema<Desc extends DescMessage>(message: Desc): Schema<MessageShape<Desc>, MessageInitShape<Desc>> {
  return {
    info: { type: 'PROTOBUF_NATIVE', name: message.name, data: definitionOf(message), properties: {} },
    encode(value) {
      try {
        return toBinary(message, isMessage(value, message) ? value : create(message, value));
      } catch (cause) {
        throw new PulsarError('INVALID_MESSAGE', `a value is no ${message.typeName}: ${String(cause)}`, { cause });
      }
    },
    decode(payload) {
      try {
        return fromBinary(message, payload);
      } catch (cause) {
        throw new PulsarError('CORRUPT', `a payload of ${payload.byteLength} bytes is no ${message.typeName}: ${String(cause)}`, { cause });
      }
    },
  };
}
